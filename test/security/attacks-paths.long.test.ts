import { paths } from "./attacks/paths.ts";
import { tryAttacks } from "./try-attacks.ts";

tryAttacks(paths);
