/** Plays a recorded Claude Code stream to the normalizer, with the host's side of it as our harness would have it. */
import * as z from "zod";
import { Normalizer } from "../../../sidecar/claude/normalize.ts";
import { OpenInputs } from "../../../sidecar/open-inputs.ts";
import { defined } from "../../../src/protocol/defined.ts";
import { type Replay, recordedLine } from "../../support/recorded-cases.ts";

/** What a recording does not say by itself. */
export const CaseMeta = z.object({
  cli: z.string(),
  shows: z.string(),
  exit: z.number(),
  resumed: z.boolean().optional(),
});
export type CaseMeta = z.infer<typeof CaseMeta>;

/** Both directions, as interactive recordings hold them. */
const Recorded = z.object({ dir: z.enum(["in", "out"]), msg: z.looseObject({ type: z.string() }) });

const HostLine = z.union([
  z.object({ type: z.literal("user"), uuid: z.string().optional(), shouldQuery: z.boolean().optional() }),
  z.object({ type: z.literal("control_request"), request: z.object({ subtype: z.string() }) }),
  z.object({
    type: z.literal("control_response"),
    response: z.object({
      request_id: z.string(),
      response: z.object({ behavior: z.enum(["allow", "deny"]), message: z.string().optional() }),
    }),
  }),
]);

/** A clock of its own, so that durations are the same in every run: ten milliseconds a line. */
const lineMs = 10;

export function replayCase(lines: readonly string[], meta: CaseMeta): Replay {
  const normalizer = new Normalizer({
    agentSessionId: "agent-session",
    isResumed: meta.resumed ?? false,
    permissionMode: "interactive",
  });
  // As in the sidecar: what is still open when its turn ends is closed there, for every agent.
  const inputs = new OpenInputs({ timeoutMs: undefined, now: () => now, onExpired: () => undefined });
  const turnIds: string[] = [];
  let now = 0;
  const prompt = (uuid: string) => {
    const turnId = `t${turnIds.length + 1}`;
    turnIds.push(turnId);
    normalizer.prompted({ turnId, uuid }, now);
  };
  if (!lines.some((line) => recordedLine(Recorded, line)?.dir === "in")) prompt("the only prompt");
  for (const line of lines) {
    now += lineMs;
    const entry = recordedLine(Recorded, line);
    if (!entry) normalizer.push(line, now);
    else if (entry.dir === "out") normalizer.push(JSON.stringify(entry.msg), now);
    else writeAsHost(normalizer, entry.msg, prompt);
  }
  normalizer.end(`the agent ended with code ${meta.exit}`, now);
  const outputs = [...inputs.pass(normalizer.take().outputs), ...inputs.abort()];
  return { events: outputs.map(({ event }) => event), turnIds };
}

function writeAsHost(normalizer: Normalizer, message: unknown, prompt: (uuid: string) => void): void {
  const line = HostLine.safeParse(message);
  if (!line.success) return;
  if (line.data.type === "control_request") {
    if (line.data.request.subtype === "interrupt") normalizer.interrupted("user", undefined);
    return;
  }
  if (line.data.type === "control_response") return answerAsHost(normalizer, line.data.response);
  // Context that was stored without a question is no turn.
  if (line.data.shouldQuery === false) return;
  const uuid = line.data.uuid ?? "not named";
  if (normalizer.running && !normalizer.running.interrupt) normalizer.steered(uuid);
  else prompt(uuid);
}

interface HostAnswer {
  request_id: string;
  response: { behavior: "allow" | "deny"; message?: string | undefined };
}

function answerAsHost(normalizer: Normalizer, { request_id: requestId, response }: HostAnswer): void {
  const decision = response.behavior === "allow" ? "approve_once" : "deny";
  try {
    normalizer.responded({ requestId, by: "client", decision, ...defined({ message: response.message }) });
  } catch {
    // The recording was mutated: nobody asked.
  }
}
