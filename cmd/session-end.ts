/** How a session ended → the word for it and what a command that saw it exits with: one answer for all of them. */
import type { DaemonAddress } from "../src/client/address.ts";
import { withRetries } from "../src/client/retry.ts";
import { getSession } from "../src/client/sessions.ts";
import type { EndReason } from "../src/protocol/session.ts";
import { exitCode } from "./exit-code.ts";
import { plainLine } from "./plain-text.ts";

export interface SessionEnd {
  /** The agent's own. */
  code: number | undefined;
  /** Undefined when the daemon tells no more: the session was deleted, or the daemon has gone with its last one. */
  reason: EndReason | undefined;
}

const words: Readonly<Record<EndReason, string>> = {
  finished: "has finished",
  stopped: "was stopped",
  deleted: "was deleted",
  timeout: "ran out of time",
  stall: "stalled",
  agent_failed: "has failed",
  agent_killed: "was killed",
  launch_failed: "could not be started",
  sidecar_lost: "lost its sidecar",
  log_write_failed: "could not write its log",
  shutdown: "was ended with its daemon",
};

const isWell: ReadonlySet<EndReason> = new Set(["finished", "deleted"]);

/** A daemon that is being started again knows it soon, and the exit code may hang on it: who waits for that is told. */
export async function howEnded(
  code: number,
  { sessionId, locate, note }: { sessionId: string; locate: () => Promise<DaemonAddress>; note(line: string): void },
): Promise<SessionEnd> {
  let isTold = false;
  const tell = ({ message }: Error) => {
    if (!isTold) note(plainLine(`Waiting some seconds for how session ${sessionId} ended: ${message}`, 400));
    isTold = true;
  };
  try {
    const { end_reason } = await withRetries(async () => getSession(await locate(), sessionId), tell);
    return { code, reason: end_reason };
  } catch {
    // The agent's code is known, and is the most of the answer.
    return { code, reason: undefined };
  }
}

/** A sentence without its full stop. */
export function endText(sessionId: string, { code, reason }: SessionEnd): string {
  const what = reason === undefined ? "has ended" : words[reason];
  return `Session ${sessionId} ${what}${code === undefined ? "" : ` (exit code ${code})`}`;
}

/** As the agent did; 0 for a session that somebody stopped, 1 where the agent left with 0 and had not finished. */
export function endExitCode({ code, reason }: SessionEnd): number {
  // How an agent leaves that is told to go, by itself or by a signal, says nothing of its work.
  if (reason === "stopped") return exitCode.ok;
  // A deleted one may be told of or not, by who came first: that must make no difference.
  if (code === 0) return reason === undefined || isWell.has(reason) ? exitCode.ok : exitCode.failure;
  return code !== undefined && Number.isInteger(code) && code > 0 && code < 256 ? code : exitCode.failure;
}

/** Of a session's last turn. Agents may report a failed one and still leave with 0. */
export function isFailedTurn(status: string | undefined): boolean {
  return status === "error" || status === "limit" || status === "aborted";
}
