import { sockets } from "./attacks/sockets.ts";
import { tryAttacks } from "./try-attacks.ts";

tryAttacks(sockets);
