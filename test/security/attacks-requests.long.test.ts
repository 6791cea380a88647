import { requests } from "./attacks/requests.ts";
import { tryAttacks } from "./try-attacks.ts";

tryAttacks(requests);
