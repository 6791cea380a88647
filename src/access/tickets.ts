/** What a browser shows where it cannot send a header: good for one stream of one session or chat, once, and soon for nothing. */
import { randomBytes } from "node:crypto";
import { covers, type Scope, type TicketCreated } from "../protocol/access.ts";
import { AgentdError } from "../protocol/error.ts";
import type { Caller } from "./caller.ts";

/** What a ticket is for: a chat may have the name of a session, and is another thing. */
export interface TicketUse {
  kind: "session" | "chat";
  name: string;
}

interface Ticket {
  caller: Caller;
  use: TicketUse;
  goodUntil: number;
}

const lifeMs = 30_000;
/** Not yet used and not yet old. */
const countMax = 10_000;

export class Tickets {
  /** In the order they were given out, so the oldest is first. */
  readonly #open = new Map<string, Ticket>();

  give(caller: Caller, { use, scope = caller.scope }: { use: TicketUse; scope?: Scope | undefined }): TicketCreated {
    if (!covers(caller.scope, scope))
      throw new AgentdError(
        "insufficient_scope",
        `Cannot give a ticket with the scope "${scope}": the token "${caller.name}" has "${caller.scope}"`,
      );
    const now = Date.now();
    this.#forgetOld(now);
    if (this.#open.size >= countMax)
      throw new AgentdError("rate_limited", `Cannot give a ticket: ${countMax} wait to be used. Try again soon`, {
        details: { retry_after: lifeMs / 1000 },
      });
    const ticket = randomBytes(32).toString("base64url");
    this.#open.set(ticket, { caller: { ...caller, scope }, use, goodUntil: now + lifeMs });
    return { ticket, expires_at: new Date(now + lifeMs).toISOString() };
  }

  /** Who was given it, for this; from now on it is good for nothing. */
  take(ticket: string, { kind, name }: TicketUse): Caller | undefined {
    const found = this.#open.get(ticket);
    this.#open.delete(ticket);
    if (!found || found.use.kind !== kind || found.use.name !== name) return undefined;
    return found.goodUntil > Date.now() ? found.caller : undefined;
  }

  #forgetOld(now: number): void {
    for (const [ticket, { goodUntil }] of this.#open) {
      if (goodUntil > now) return;
      this.#open.delete(ticket);
    }
  }
}
