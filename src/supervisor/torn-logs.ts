/**
 * Logs that are not as they were written: of ended sessions those that end otherwise, because somebody or a dead disk cut them, and
 * of all sessions those with lines that cannot be read. They are left as they are. That is said when one is first read; nobody
 * looks through all of them for it.
 */
import { defined } from "../protocol/defined.ts";
import type { EndReason } from "../protocol/session.ts";
import type { LogEnd } from "../session/log-end.ts";
import type { Session } from "../session/session.ts";
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
  readonly #toldOfLines = new Set<string>();

  constructor(log: Log) {
    this.#log = log;
  }

  /** Whether it is one; says so once. */
  note(ended: EndedLog): boolean {
    const fault = faultOf(ended);
    if (fault === undefined) return false;
    const { id, path } = ended;
    if (isToldAgain(this.#told, id)) return true;
    this.#log(
      "warn",
      `The log of session "${id}" is torn: ${fault}. Its whole lines can be read, how it ended is in its view; "${path}" is left as it is, and not compressed`,
      { session_id: id, log_bytes: ended.end.tail.end, ...defined({ torn_bytes: ended.end.tornBytes || undefined }) },
    );
    return true;
  }

  /** A line that begins there was passed over; said once of a log, which may have more of them. */
  readonly onPassedOver = ({ id, home }: Pick<Session, "id" | "home">, at: number): void => {
    if (isToldAgain(this.#toldOfLines, id)) return;
    const what = `The log of session "${id}" is damaged at byte ${at}: a line there cannot be read, or lines are missing before it`;
    this.#log(
      "warn",
      `${what}. What can be read is used, "${home.log}" is left as it is, and there may be more places`,
      {
        session_id: id,
        log_offset: at,
      },
    );
  };
}

function isToldAgain(told: Set<string>, id: string): boolean {
  if (told.has(id)) return true;
  const [oldest] = told;
  if (told.size >= toldMax && oldest !== undefined) told.delete(oldest);
  told.add(id);
  return false;
}

function faultOf({ reason, end: { tail, tornBytes, hasExit } }: EndedLog): string | undefined {
  // One that could not be written any more never had its exit; of one that nobody knows that cannot be told.
  const lacksExit = !hasExit && reason !== undefined && reason !== "log_write_failed";
  const halfLine = tornBytes > 0 ? `the last ${tornBytes} bytes, from ${tail.end} on, are half a line` : undefined;
  const noExit = lacksExit ? `its last line, "exit", is missing` : undefined;
  const strange =
    tail.lineEnd < tail.end ? `the lines from byte ${tail.lineEnd} to ${tail.end} are none of agentd's` : undefined;
  const faults = [strange, halfLine, noExit].filter((fault) => fault !== undefined);
  return faults.length === 0 ? undefined : faults.join(", and ");
}
