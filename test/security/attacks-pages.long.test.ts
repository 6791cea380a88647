import { pages } from "./attacks/pages.ts";
import { tryAttacks } from "./try-attacks.ts";

tryAttacks(pages);
