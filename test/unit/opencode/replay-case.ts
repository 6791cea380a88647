/** Plays a recorded exchange with `opencode serve` to the normalizer, with the sidecar's side of it as our harness would have it. */
import * as z from "zod";
import { inputMark, Normalizer } from "../../../sidecar/opencode/normalize.ts";
import type { Decision } from "../../../src/protocol/event.ts";
import { type Replay, recordedLine } from "../../support/recorded-cases.ts";

/** What a recording does not say by itself. */
export const CaseMeta = z.object({
  cli: z.string(),
  shows: z.string(),
  /** MCP servers that were configured. */
  servers: z.array(z.string()).optional(),
});
export type CaseMeta = z.infer<typeof CaseMeta>;

const Recorded = z.object({ dir: z.enum(["in", "out"]), t: z.number().catch(0), msg: z.looseObject({}) });
const Asked = z.object({
  http: z.string(),
  body: z
    .looseObject({
      noReply: z.boolean().optional(),
      parts: z.array(z.looseObject({ text: z.string().optional(), synthetic: z.boolean().optional() })).optional(),
      reply: z.string().optional(),
      message: z.string().optional(),
      answers: z.array(z.array(z.string())).optional(),
    })
    .nullish(),
});
const Answered = z.object({ http_status: z.number(), for: z.string(), body: z.unknown() });
const Seen = z.object({ sse: z.unknown() });
const Echo = z.looseObject({
  type: z.literal("message.part.updated"),
  properties: z.looseObject({
    part: z.looseObject({ type: z.literal("text"), text: z.string(), time: z.undefined().optional() }),
  }),
});
const Session = z.looseObject({ id: z.string() });

export function replayCase(lines: readonly string[], { servers = [] }: CaseMeta): Replay {
  const player = new Player(startOf(lines), servers);
  for (const line of lines) player.play(line);
  return player.end();
}

/** When the recording began, so that our clock and the times in it agree. */
function startOf(lines: readonly string[]): number {
  for (const line of lines) {
    const created = /"created":\s*(\d{13})/.exec(line)?.[1];
    if (created !== undefined) return Number(created) - (recordedLine(Recorded, line)?.t ?? 0);
  }
  return 0;
}

class Player {
  readonly #normalizer = new Normalizer({ permissionMode: "interactive", retriesMax: 6 });
  readonly #turnIds: string[] = [];
  readonly #start: number;
  #inputs = 0;
  /** Sent, and not yet shown by the program. */
  #sent: { inputId: string; text: string }[] = [];
  /** Prompts that came before the end of a turn that was told to end. */
  #waiting: { sessionId: string; inputId: string }[] = [];
  #now: number;

  constructor(start: number, servers: readonly string[]) {
    this.#normalizer.servers = servers;
    this.#start = start;
    this.#now = start;
  }

  play(line: string): void {
    const entry = recordedLine(Recorded, line);
    if (!entry) {
      this.#normalizer.push(line, this.#now);
      return;
    }
    this.#now = Math.max(this.#now, this.#start + entry.t);
    this.#normalizer.tick(this.#now);
    const { msg } = entry;
    const seen = Seen.safeParse(msg);
    if (seen.success && "sse" in msg)
      this.#normalizer.push(JSON.stringify(this.#marked(seen.data.sse)) ?? "", this.#now);
    else this.#exchange(msg);
    const next = this.#normalizer.running ? undefined : this.#waiting.shift();
    if (next) this.#begin(next);
  }

  end(): Replay {
    this.#now += 10_000;
    this.#normalizer.tick(this.#now);
    this.#normalizer.end("the agent ended with code 0", this.#now);
    return { events: this.#normalizer.take().outputs.map(({ event }) => event), turnIds: this.#turnIds };
  }

  #exchange(message: unknown): void {
    const answered = Answered.safeParse(message).data;
    if (answered) this.#answered(answered);
    const asked = Asked.safeParse(message).data;
    if (asked) this.#ask(asked);
  }

  #answered(answered: z.infer<typeof Answered>): void {
    if (/\/(prompt_async|message)$/.test(answered.for) && answered.http_status >= 400) {
      const failure = { message: `status ${answered.http_status}`, category: undefined };
      this.#normalizer.refused(`input-${this.#inputs}`, failure, this.#now);
    }
    if (!/^POST \/session(\/[^/]+\/fork)?$/.test(answered.for) || this.#normalizer.running) return;
    const session = Session.safeParse(answered.body).data;
    if (session) this.#normalizer.opened(session.id);
  }

  #ask({ http, body }: z.infer<typeof Asked>): void {
    const [, what = "", id = "", verb = ""] = /^POST \/(session|permission|question)\/([^/]+)\/(\w+)$/.exec(http) ?? [];
    if (what === "session" && verb === "abort") this.#normalizer.interrupted("user", undefined);
    else if (what === "session" && (verb === "prompt_async" || verb === "message") && !body?.noReply)
      this.#prompt(id, body);
    else if (what === "permission") this.#respond(id, { decision: decisionOf(body?.reply), message: body?.message });
    else if (what === "question") this.#answer(id, verb, body?.answers ?? []);
  }

  #prompt(sessionId: string, body: z.infer<typeof Asked>["body"]): void {
    const inputId = `input-${++this.#inputs}`;
    const text = body?.parts?.find((part) => !part.synthetic && part.text !== undefined)?.text ?? "";
    this.#sent.push({ inputId, text });
    const turn = this.#normalizer.running;
    if (turn && !turn.interrupt) {
      this.#normalizer.steered(inputId);
      return;
    }
    if (turn) this.#waiting.push({ sessionId, inputId });
    else this.#begin({ sessionId, inputId });
  }

  #begin({ sessionId, inputId }: { sessionId: string; inputId: string }): void {
    const turnId = `t${this.#turnIds.length + 1}`;
    this.#turnIds.push(turnId);
    this.#normalizer.opened(sessionId);
    this.#normalizer.prompted({ turnId, inputId }, this.#now);
  }

  #answer(id: string, verb: string, answers: string[][]): void {
    if (verb === "reject") return this.#respond(id, { decision: "deny" });
    const named = Object.fromEntries(answers.map((labels, i) => [`q${i + 1}`, labels]));
    this.#respond(id, { decision: "approve_once", answers: named });
  }

  #respond(
    id: string,
    answer: { decision: Decision; message?: string | undefined; answers?: Record<string, string[]> },
  ): void {
    try {
      this.#normalizer.respond(id, answer, "client");
    } catch {
      // The question was dropped from the recording, or is answered for the second time.
    }
  }

  /** As the program shows what our harness sent: with our mark. */
  #marked(event: unknown): unknown {
    const echo = Echo.safeParse(event).data;
    if (!echo) return event;
    const { part } = echo.properties;
    const sent = this.#sent.find(({ text }) => text === part.text);
    if (!sent) return event;
    this.#sent = this.#sent.filter((other) => other !== sent);
    const marked = { ...part, metadata: { [inputMark]: sent.inputId } };
    return { ...echo, properties: { ...echo.properties, part: marked } };
  }
}

function decisionOf(reply: string | undefined): Decision {
  if (reply === "reject") return "deny";
  return reply === "always" ? "approve_session" : "approve_once";
}
