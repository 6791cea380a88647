import { browsers } from "./attacks/browsers.ts";
import { tryAttacks } from "./try-attacks.ts";

tryAttacks(browsers);
