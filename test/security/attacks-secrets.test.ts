import { secrets } from "./attacks/secrets.ts";
import { tryAttacks } from "./try-attacks.ts";

tryAttacks(secrets);
