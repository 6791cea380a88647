import { otherUser } from "./attacks/other-user.ts";
import { tryAttacks } from "./try-attacks.ts";

tryAttacks(otherUser);
