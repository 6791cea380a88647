/** What went wrong with single ones of many: the others are done all the same, and in the end all of it is told. */
import { AgentdError, messageOf } from "../../protocol/error.ts";
import type { Engine } from "./engine.ts";
import { isAway } from "./engine-away.ts";

/** Of more than these only the number is told. */
const toldMax = 5;

export class Faults {
  readonly #engine: Engine;
  readonly #found = new Set<string>();
  #first: unknown;

  constructor(engine: Engine) {
    this.#engine = engine;
  }

  /** Whether it went well. Rejects when the engine is away: nothing behind it would go better. */
  async try(act: () => Promise<unknown>): Promise<boolean> {
    try {
      await act();
      return true;
    } catch (error) {
      // One answer that did not come says little of the engine.
      if (isAway(error) && !(await this.#answers())) throw error;
      this.add(error);
      return false;
    }
  }

  add(fault: unknown): void {
    this.#first ??= fault;
    this.#found.add(typeof fault === "string" ? fault : messageOf(fault));
  }

  /** Throws when there are some. `rest` says what became of the others. */
  throw(rest: string): void {
    if (this.#found.size === 0) return;
    const found = [...this.#found];
    const more = found.length > toldMax ? `; and ${found.length - toldMax} more` : "";
    throw new AgentdError("internal", `${found.slice(0, toldMax).join("; ")}${more}. ${rest}`, { cause: this.#first });
  }

  #answers(): Promise<boolean> {
    return this.#engine.ping().then(
      () => true,
      () => false,
    );
  }
}
