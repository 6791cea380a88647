/** What of many removals could not be done. The others are done all the same, and in the end whoever asked is told of both. */
import { AgentdError, type ErrorCode, isDiskFull, messageOf } from "../protocol/error.ts";
import type { Collected } from "../protocol/http.ts";

/** Of more than these only the number is told. */
const toldMax = 100;

export class Unfinished {
  readonly #told: Collected["failed"] = [];
  #more = 0;

  get told(): Collected["failed"] {
    if (this.#more === 0) return this.#told;
    const message = `Cannot do ${this.#more} things more, which are not told. Mend what stands before, then run "agentd gc" again`;
    return [...this.#told, { session_id: null, error: "internal", message }];
  }

  /** `act` is what is attempted, as it stands behind "Cannot". */
  async try(of: { act: string; sessionId?: string }, work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      this.add(error, of);
    }
  }

  add(error: unknown, { act, sessionId }: { act: string; sessionId?: string | undefined }): void {
    if (this.#told.length === toldMax) {
      this.#more += 1;
      return;
    }
    this.#told.push({ session_id: sessionId ?? null, ...toldOf(error, act) });
  }
}

/** What is no error of ours says only what was found. */
function toldOf(error: unknown, act: string): { error: ErrorCode; message: string } {
  if (error instanceof AgentdError) return { error: error.code, message: error.message };
  const [code, advice] = isDiskFull(error)
    ? (["disk_full", "Make room, then"] as const)
    : (["internal", "Mend that, then"] as const);
  return { error: code, message: `Cannot ${act}: ${messageOf(error)}. ${advice} run "agentd gc" again` };
}
