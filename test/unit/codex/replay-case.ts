/** Plays a recorded conversation with the app-server to the normalizer, with our side of it as our harness would have it. */
import * as z from "zod";
import { Normalizer } from "../../../sidecar/codex/normalize.ts";
import { type Replay, recordedLine } from "../../support/recorded-cases.ts";

/** What a recording does not say by itself. */
export const CaseMeta = z.object({ cli: z.string(), shows: z.string(), exit: z.number() });
export type CaseMeta = z.infer<typeof CaseMeta>;

const Recorded = z.object({ dir: z.enum(["in", "out"]), msg: z.looseObject({}) });

const HostMessage = z.looseObject({
  method: z.string().optional(),
  id: z.union([z.string(), z.number()]).optional(),
  params: z
    .looseObject({
      threadId: z.string().optional(),
      clientUserMessageId: z.string().optional(),
      approvalPolicy: z.string().optional(),
    })
    .optional(),
  result: z.looseObject({ decision: z.unknown().optional(), action: z.unknown().optional() }).optional(),
});
type HostMessage = z.infer<typeof HostMessage>;

/** A clock of its own, so that durations are the same in every run: ten milliseconds a line. */
const lineMs = 10;

export function replayCase(lines: readonly string[], meta: CaseMeta): Replay {
  const normalizer = new Normalizer({ permissionMode: "autonomous" });
  const turnIds: string[] = [];
  let now = 0;
  for (const line of lines) {
    now += lineMs;
    const entry = recordedLine(Recorded, line);
    if (!entry) normalizer.push(line, now);
    else if (entry.dir === "out") normalizer.push(JSON.stringify(entry.msg), now);
    else {
      const message = HostMessage.safeParse(entry.msg).data;
      if (message) writeAsHost(normalizer, message, { turnIds, now });
    }
  }
  normalizer.end(`the agent ended with code ${meta.exit}`, now);
  return { events: normalizer.take().outputs.map(({ event }) => event), turnIds };
}

function writeAsHost(normalizer: Normalizer, message: HostMessage, at: { turnIds: string[]; now: number }): void {
  const id = String(message.id);
  const { threadId, clientUserMessageId, approvalPolicy } = message.params ?? {};
  switch (message.method) {
    case undefined:
      return answer(normalizer, `ask-${id}`, message.result?.decision ?? message.result?.action);
    case "initialize":
      return normalizer.asked(id, "initialize");
    case "thread/start":
    case "thread/resume":
    case "thread/fork":
      if (message.method === "thread/start" && normalizer.threadId !== undefined) return;
      if (approvalPolicy !== undefined)
        normalizer.permissionMode = approvalPolicy === "never" ? "autonomous" : "interactive";
      return normalizer.asked(id, "thread");
    case "turn/start": {
      // Another thread is none of the session's.
      if (normalizer.threadId !== undefined && threadId !== normalizer.threadId) return;
      const turnId = `t${at.turnIds.length + 1}`;
      at.turnIds.push(turnId);
      return normalizer.prompting(id, normalizer.prompted(turnId, at.now));
    }
    case "turn/steer":
      return normalizer.steered(clientUserMessageId ?? "not named");
    case "turn/interrupt":
      return normalizer.interrupted("user", undefined);
    default:
  }
}

const decisions = new Map<unknown, "approve_once" | "approve_session" | "deny">([
  ["accept", "approve_once"],
  ["acceptForSession", "approve_session"],
  ["decline", "deny"],
]);

/** A `cancel` is not among our answers: Codex then withdraws what it asked. */
function answer(normalizer: Normalizer, requestId: string, word: unknown): void {
  const decision = decisions.get(word);
  if (!decision) return;
  try {
    normalizer.responded(requestId, { decision, by: "client" });
  } catch {
    // In a mutated recording the question may never have been asked.
  }
}
