import { agents } from "./attacks/agents.ts";
import { tryAttacks } from "./try-attacks.ts";

tryAttacks(agents);
