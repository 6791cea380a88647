/** What became of a request over which an earlier daemon died, as the session's own record and log tell it. */
import { setTimeout as delay } from "node:timers/promises";
import * as z from "zod";
import { AgentdError, OpenOutcome } from "../protocol/error.ts";
import type { PromptAccepted } from "../protocol/http.ts";
import type { Damage } from "../session/line-damage.ts";
import { readPlacedLines } from "../session/read-lines.ts";
import type { Session } from "../session/session.ts";
import type { Supervisor } from "../supervisor/supervisor.ts";
import type { Recalled } from "./idempotency.ts";

/** What a prompt or steer set out to do: anything of it stands behind this place in the log. */
export const TurnIntent = z.object({ session_id: z.string(), log_end: z.number() });
export type TurnIntent = z.infer<typeof TurnIntent>;

/** How long a steer's trace is waited for. */
const catchUpMs = 10_000;

export interface TurnRecall {
  supervisor: Supervisor;
  kind: "prompt" | "steer";
  intent: unknown;
  /** What it would be marked with. */
  mark: string;
}

/** A prompt is in the log before anything is done with it; a steer is with the agent before that. */
export async function recallTurn({ supervisor, kind, intent, mark }: TurnRecall): Promise<Recalled> {
  const { session_id, log_end } = TurnIntent.parse(intent);
  const { session, attendance } = await supervisor.get(session_id);
  // What came of a steer may still be with the sidecar.
  if (kind === "steer" && attendance && !supervisor.isClosing) await withinMs(catchUpMs, attendance.caughtUp());
  const turnId = await turnWith(session, { from: log_end, mark });
  if (turnId !== undefined) {
    const position = attendance?.queued.find((queued) => queued.turn_id === turnId)?.position ?? 0;
    return {
      was: "done",
      answer: { status: 202, body: { session_id, turn_id: turnId, position } satisfies PromptAccepted },
    };
  }
  if (kind === "prompt") return { was: "nothing" };
  // What its sidecar has written of it comes to the next daemon.
  if (supervisor.isClosing)
    throw new OpenOutcome(
      "shutting_down",
      `Cannot tell now whether session "${session_id}" was given the steer: this daemon is leaving. Ask the next one, with the same Idempotency-Key`,
    );
  throw new AgentdError(
    "outcome_unknown",
    `Cannot tell whether session "${session_id}" was given the steer of this Idempotency-Key: the sidecar that was given it did not answer. Look at its log, then send it with a new key if it is still wanted`,
  );
}

/** Resolves when it does, or when the time is up. */
async function withinMs(ms: number, done: Promise<void>): Promise<void> {
  const timer = new AbortController();
  try {
    await Promise.race([done, delay(ms, undefined, { signal: timer.signal })]);
  } finally {
    timer.abort();
  }
}

async function turnWith(session: Session, { from, mark }: { from: number; mark: string }): Promise<string | undefined> {
  let isDoubtful = false;
  const onDamage = ({ type = "user_message" }: Damage) => {
    isDoubtful ||= type === "user_message";
  };
  for await (const { line } of readPlacedLines(session, /^\{"type":"user_message"/, { start: from, onDamage })) {
    if (line.type === "user_message" && line.data.request === mark) return line.data.turn_id ?? undefined;
  }
  if (!isDoubtful) return undefined;
  throw new AgentdError(
    "outcome_unknown",
    `Cannot tell whether session "${session.id}" was given the words of this Idempotency-Key: a line of its log that may say so cannot be read. Look at its log, then send them with a new key if they are still wanted`,
  );
}
