import { callers } from "./attacks/callers.ts";
import { tryAttacks } from "./try-attacks.ts";

tryAttacks(callers);
