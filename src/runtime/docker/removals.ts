/** Of many that are removed: what went, and what went wrong with single ones. The others are removed all the same. */
import { AgentdError, messageOf } from "../../protocol/error.ts";
import type { Leftover, Unremoved } from "../runtime.ts";
import type { Engine } from "./engine.ts";
import { isAway } from "./engine-away.ts";

const triedAgain = 'It is tried again by the daemon\'s next start and by "agentd gc"';

export class Removals {
  readonly #engine: Engine;
  readonly #gone = new Set<Leftover>();
  /** By what it says: what stood in the way of several is told once. */
  readonly #faults = new Map<string, Unremoved>();

  constructor(engine: Engine) {
    this.#engine = engine;
  }

  get faults(): Unremoved[] {
    return [...this.#faults.values()];
  }

  /** The engine said so. */
  isGone(leftover: Leftover): boolean {
    return this.#gone.has(leftover);
  }

  /** Whether it went well. Rejects when the engine is away: nothing behind it would go better. */
  async try(act: () => Promise<unknown>, of: { leftover?: Leftover; sessionId?: string } = {}): Promise<boolean> {
    try {
      await act();
      if (of.leftover) this.#gone.add(of.leftover);
      return true;
    } catch (error) {
      // One answer that did not come says little of the engine.
      if (isAway(error) && !(await this.#answers())) throw error;
      const { code: said, message } = faultOf(error);
      // The word of the engine's other faults, which nothing was launched of here.
      const code = said === "launch_failed" ? "internal" : said;
      const fault = new AgentdError(code, `${message}. ${triedAgain}`, { cause: error });
      this.add(fault, of.leftover?.sessionId ?? of.sessionId);
      return false;
    }
  }

  /** The message says what to do. */
  add(error: unknown, sessionId?: string): void {
    const message = messageOf(error);
    if (!this.#faults.has(message)) this.#faults.set(message, { sessionId, error });
  }

  #answers(): Promise<boolean> {
    return this.#engine.ping().then(
      () => true,
      () => false,
    );
  }
}

function faultOf(error: unknown): Pick<AgentdError, "code" | "message"> {
  if (error instanceof AgentdError) return error;
  return { code: "internal", message: `Cannot remove what belongs to no session: ${messageOf(error)}` };
}
