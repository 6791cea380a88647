/**
 * Logs of ended sessions that do not end as they were written: somebody or a dead disk cut them. They are left as they
 * are. That is said when one is first read; nobody looks through all of them for it.
 */
import { defined } from "../protocol/defined.ts";
import type { EndReason } from "../protocol/session.ts";
import type { LogEnd } from "../session/log-end.ts";
import type { Log } from "./context.ts";

/** Ids that were told; whoever has more of them is told again now and then. */
const toldMax = 1000;

export interface EndedLog {
  id: string;
  path: string;
  /** Unknown of a session whose record is gone. */
  reason: EndReason | undefined;
  end: LogEnd;
}

export class TornLogs {
  readonly #log: Log;
  readonly #told = new Set<string>();

  constructor(log: Log) {
    this.#log = log;
  }

  /** Whether it is one; says so once. */
  note(ended: EndedLog): boolean {
    const fault = faultOf(ended);
    if (fault === undefined) return false;
    const { id, path } = ended;
    if (this.#told.has(id)) return true;
    const [oldest] = this.#told;
    if (this.#told.size >= toldMax && oldest !== undefined) this.#told.delete(oldest);
    this.#told.add(id);
    this.#log(
      "warn",
      `The log of session "${id}" is torn: ${fault}. Its whole lines can be read, how it ended is in its view; "${path}" is left as it is, and not compressed`,
      { session_id: id, log_bytes: ended.end.tail.end, ...defined({ torn_bytes: ended.end.tornBytes || undefined }) },
    );
    return true;
  }
}

function faultOf({ reason, end: { tail, tornBytes, hasExit } }: EndedLog): string | undefined {
  // One that could not be written any more never had its exit; of one that nobody knows that cannot be told.
  const lacksExit = !hasExit && reason !== undefined && reason !== "log_write_failed";
  const halfLine = tornBytes > 0 ? `the last ${tornBytes} bytes, from ${tail.end} on, are half a line` : undefined;
  const noExit = lacksExit ? `its last line, "exit", is missing` : undefined;
  return halfLine && noExit ? `${halfLine}, and ${noExit}` : (halfLine ?? noExit);
}
