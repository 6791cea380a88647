/** Plays a recorded conversation with an ACP agent to the normalizer, with our side of it as our harness would have it. */
import * as z from "zod";
import { Normalizer } from "../../../sidecar/acp/normalize.ts";
import type { SessionEvent } from "../../../src/protocol/event.ts";
import { type Replay, recordedLine } from "../../support/recorded-cases.ts";

/** What a recording does not say by itself. */
export const CaseMeta = z.object({
  /** The agent's name for itself, for recordings that begin after the handshake. */
  agent: z.string(),
  shows: z.string(),
  exit: z.number(),
  resumed: z.boolean().optional(),
  /** A person answered what was asked, rather than the policy. */
  interactive: z.boolean().optional(),
});
export type CaseMeta = z.infer<typeof CaseMeta>;

const Message = z.looseObject({
  id: z.union([z.number(), z.string()]).nullish(),
  method: z.string().optional(),
  params: z.looseObject({ prompt: z.array(z.looseObject({ text: z.string().optional() })).optional() }).optional(),
  result: z
    .looseObject({ outcome: z.looseObject({ outcome: z.string(), optionId: z.string().optional() }).optional() })
    .nullish(),
});
type Message = z.infer<typeof Message>;

/** Both directions, seen from us. */
const Recorded = z.object({ dir: z.enum(["in", "out"]), msg: Message });

/** A clock of its own, so that durations are the same in every run: ten milliseconds a line. */
const lineMs = 10;

interface AcpReplay extends Replay {
  /** What we wrote to the agent. */
  written: Message[];
}

export function replayCase(lines: readonly string[], meta: CaseMeta): AcpReplay {
  const player = new Player(meta);
  const entries = lines.map((line) => recordedLine(Recorded, line));
  if (!entries.some((entry) => entry?.dir === "out" && entry.msg.method === "initialize")) player.open(meta.agent);
  lines.forEach((line, i) => {
    player.play(entries[i], line);
  });
  return player.end(meta.exit);
}

class Player {
  readonly #normalizer: Normalizer;
  readonly #events: SessionEvent[] = [];
  readonly #written: Message[] = [];
  readonly #turnIds: string[] = [];
  /** Numbers of requests by method: the recording's, and those that ours got instead. */
  readonly #theirs = new Map<string, (string | number)[]>();
  readonly #ours = new Map<string, (string | number)[]>();
  #now = 0;

  constructor(meta: CaseMeta) {
    const config = {
      ...(meta.resumed ? { resume_session: "old-session" } : {}),
      permission_mode: meta.interactive ? ("interactive" as const) : ("autonomous" as const),
    };
    this.#normalizer = new Normalizer({ config, workDir: "/workspace", env: {} });
    this.#normalizer.begin();
    this.#settle();
  }

  /** The handshake that the recording left out. */
  open(agent: string): void {
    const initialized = { protocolVersion: 1, agentInfo: { name: agent }, agentCapabilities: { loadSession: true } };
    for (const result of [initialized, { sessionId: "agent-session" }]) {
      const id = this.#written.at(-1)?.id;
      this.#normalizer.push(JSON.stringify({ jsonrpc: "2.0", id, result }), this.#now);
      this.#settle();
    }
  }

  play(entry: z.infer<typeof Recorded> | undefined, line: string): void {
    this.#now += lineMs;
    if (!entry) this.#normalizer.push(line, this.#now);
    else if (entry.dir === "out") this.#ask(entry.msg);
    else this.#hear(entry.msg);
    this.#settle();
  }

  end(exit: number): AcpReplay {
    this.#normalizer.end(`the agent ended with code ${exit}`, this.#now);
    this.#settle();
    return { events: this.#events, turnIds: this.#turnIds, written: this.#written };
  }

  #ask({ id, method, params, result }: Message): void {
    if (method === undefined) return this.#respond(result?.outcome);
    if (method === "session/cancel") return this.#normalizer.interrupted("user", undefined, this.#now);
    if (id !== undefined && id !== null) push(this.#theirs, purposeOf(method), id);
    if (method !== "session/prompt") return;
    const turnId = `t${this.#turnIds.length + 1}`;
    this.#turnIds.push(turnId);
    const texts = (params?.prompt ?? []).flatMap(({ text }) => text ?? []);
    this.#normalizer.prompted({ turnId, said: texts }, this.#now);
  }

  /** An answer comes under the number that our request had. One to a request that we would not make is left out. */
  #hear(message: Message): void {
    if (message.method !== undefined) return this.#normalizer.push(JSON.stringify(message), this.#now);
    for (const [method, ids] of this.#theirs) {
      const at = ids.indexOf(message.id ?? "");
      const id = this.#ours.get(method)?.[at];
      if (at !== -1 && id !== undefined) this.#normalizer.push(JSON.stringify({ ...message, id }), this.#now);
      if (at !== -1) return;
    }
    this.#normalizer.push(JSON.stringify(message), this.#now);
  }

  #respond(outcome: { outcome: string; optionId?: string | undefined } | undefined): void {
    const asked = this.#events.findLast((event) => event.type === "input_required");
    if (!outcome || asked?.type !== "input_required") return;
    const option = outcome.optionId ?? "";
    const decision = /always/.test(option) ? "approve_session" : /once|allow/.test(option) ? "approve_once" : "deny";
    try {
      this.#normalizer.respond({ requestId: asked.data.request_id, by: "client", decision });
    } catch {
      // A mutated recording may answer twice, or what cannot be answered so.
    }
  }

  #settle(): void {
    const { outputs, lines } = this.#normalizer.take();
    for (const { event } of outputs) this.#events.push(event);
    for (const line of lines) {
      const message = Message.parse(JSON.parse(line));
      this.#written.push(message);
      if (message.method !== undefined && message.id !== undefined && message.id !== null) {
        push(this.#ours, purposeOf(message.method), message.id);
      }
    }
  }
}

/** The recording may have opened its session in another way than we would. */
function purposeOf(method: string): string {
  return /^session\/(new|load|resume)$/.test(method) ? "open" : method;
}

function push<T>(lists: Map<string, T[]>, key: string, value: T): void {
  const list = lists.get(key);
  if (list) list.push(value);
  else lists.set(key, [value]);
}
