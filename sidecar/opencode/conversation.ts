/** One conversation on the server: begun, gone on with or copied; prompts into it, answers, its end. I/O only. */
import { realpathSync } from "node:fs";
import * as z from "zod";
import type { Image } from "../../src/protocol/agent-options.ts";
import type { AgentConfig } from "../../src/protocol/bootstrap.ts";
import { defined } from "../../src/protocol/defined.ts";
import { errnoOf } from "../../src/protocol/error.ts";
import type { Failure } from "../failure.ts";
import type { Api, ApiAnswer } from "./api.ts";
import { failureOf } from "./failure.ts";
import type { Reply } from "./inputs.ts";
import type { ModelId } from "./model-choice.ts";
import { inputMark } from "./normalize.ts";
import { type PermissionRules, ruleList } from "./permission-rules.ts";
import { RawError } from "./raw.ts";

/** What went wrong, as a value to be told and not to be thrown away. */
export class Refusal extends Error {
  readonly failure: Failure;

  constructor(failure: Failure) {
    super(failure.message);
    this.failure = failure;
  }
}

export interface Message {
  inputId: string;
  text: string;
  /** Pieces that ride in front of it. */
  context: readonly string[];
  images: readonly Image[];
  model: ModelId | undefined;
  effort: string | undefined;
  /** A custom agent of the program; its standard one without. */
  agent: string | undefined;
  /** JSON Schema of what the answer must be. */
  schema: Record<string, unknown> | undefined;
}

export const Session = z.looseObject({ id: z.string(), directory: z.string() });
type Session = z.infer<typeof Session>;
export interface OpenOptions {
  config: AgentConfig;
  title: string;
  workDir: string;
  /** The home is the session's own. */
  isPrivate: boolean;
}

export const Stored = z.looseObject({
  info: z.looseObject({ id: z.string(), sessionID: z.string(), time: z.looseObject({ created: z.number() }) }),
  parts: z.array(z.looseObject({ id: z.string() })),
});
export const Waiting = z.array(z.looseObject({ sessionID: z.string() }));
export const Servers = z.record(z.string(), z.looseObject({ status: z.string(), error: z.string().optional() }));
const Statuses = z.record(z.string(), z.unknown());
export const Services = z.looseObject({
  providers: z.array(z.looseObject({ id: z.string(), models: z.record(z.string(), z.unknown()) })),
});

/** More than one turn has; the oldest of a longer one were seen when they happened. */
const missedMessagesMax = 100;

export class Conversation {
  readonly #api: Api;
  readonly id: string;

  private constructor(api: Api, id: string) {
    this.#api = api;
    this.id = id;
  }

  /** Rejects with a Refusal when the conversation to go on with does not exist or cannot be gone on with here. */
  static async open(api: Api, options: OpenOptions): Promise<Conversation> {
    const resumed = options.config.resume_session;
    const session = resumed === undefined ? await begin(api, options.title) : await goOn(api, resumed, options);
    return new Conversation(api, session.id);
  }

  /** Resolves when it is stored. Rejects with a Refusal. */
  async send({ inputId, text, context, images, model, effort, agent, schema }: Message): Promise<void> {
    const parts = [
      ...images.map(({ media_type, data }, i) => ({
        type: "file",
        mime: media_type,
        filename: `image-${i + 1}.${media_type.slice("image/".length)}`,
        url: `data:${media_type};base64,${data}`,
      })),
      ...context.map((piece) => ({ type: "text", text: piece, synthetic: true })),
      { type: "text", text, metadata: { [inputMark]: inputId } },
    ];
    const format = schema && { type: "json_schema", schema };
    const body = { parts, ...defined({ model, variant: effort, agent, format }) };
    expectOk(await this.#call("POST", "prompt_async", body));
  }

  async abort(): Promise<void> {
    expectOk(await this.#call("POST", "abort"));
  }

  async reply(reply: Reply): Promise<void> {
    const path = `/${reply.to}/${encodeURIComponent(reply.id)}`;
    if (reply.to === "permission") expectOk(await this.#api.call("POST", `${path}/reply`, reply.body));
    else if ("rejected" in reply) expectOk(await this.#api.call("POST", `${path}/reject`));
    else expectOk(await this.#api.call("POST", `${path}/reply`, { answers: reply.answers }));
  }

  async setRules(rules: PermissionRules): Promise<void> {
    const path = `/session/${encodeURIComponent(this.id)}`;
    expectOk(await this.#api.call("PATCH", path, { permission: ruleList(rules) }));
  }

  /** The MCP servers, with why each of them is not there if it is not. */
  async servers(): Promise<{ name: string; failure: string | undefined }[]> {
    const found = Servers.safeParse((await this.#api.call("GET", "/mcp")).body).data ?? {};
    return Object.entries(found).map(([name, { status, error }]) => ({ name, failure: serverFailure(status, error) }));
  }

  /** Names of the agents that a prompt may be given to. */
  async agents(): Promise<string[]> {
    return z
      .array(z.looseObject({ name: z.string() }))
      .parse(expectOk(await this.#api.call("GET", "/agent")))
      .map(({ name }) => name);
  }

  /** Models as `service/model`. */
  async models(): Promise<Set<string>> {
    const services = Services.parse(expectOk(await this.#api.call("GET", "/config/providers"))).providers;
    return new Set(services.flatMap(({ id, models }) => Object.keys(models).map((model) => `${id}/${model}`)));
  }

  /** What happened since, as events: for a stream that was cut. */
  async missed(since: number): Promise<string[]> {
    const path = `message?limit=${missedMessagesMax}`;
    const stored = z.array(Stored).parse(expectOk(await this.#call("GET", path)));
    const events: unknown[] = [];
    for (const { info, parts } of stored.filter(({ info: { time } }) => time.created >= since)) {
      const place = { sessionID: this.id };
      events.push({ type: "message.updated", properties: { ...place, info } });
      for (const part of parts) events.push({ type: "message.part.updated", properties: { ...place, part } });
    }
    for (const kind of ["permission", "question"] as const) {
      const waiting = Waiting.safeParse((await this.#api.call("GET", `/${kind}`)).body).data ?? [];
      for (const asked of waiting) events.push({ type: `${kind}.asked`, properties: asked });
    }
    const statuses = Statuses.parse(expectOk(await this.#api.call("GET", "/session/status")));
    // Idle ones are absent.
    if (!Object.hasOwn(statuses, this.id)) events.push({ type: "session.idle", properties: { sessionID: this.id } });
    return events.map((event) => JSON.stringify(event));
  }

  #call(method: string, rest: string, body?: unknown): Promise<ApiAnswer> {
    return this.#api.call(method, `/session/${encodeURIComponent(this.id)}/${rest}`, body);
  }
}

/** One that is switched off is as the operator wants it. */
function serverFailure(status: string, error: string | undefined): string | undefined {
  switch (status) {
    case "connected":
    case "disabled":
      return undefined;
    case "failed":
      return error ?? "opencode does not say why";
    case "needs_auth":
      return error ?? "it wants a login; give it a token";
    case "needs_client_registration":
      return error ?? "it wants this client to be registered with it; give it a token";
    default:
      return error ?? `opencode calls it ${JSON.stringify(status.slice(0, 100))}`;
  }
}

/** A title of ours, or the first turn would ask the model for one. */
async function begin(api: Api, title: string): Promise<Session> {
  return Session.parse(expectOk(await api.call("POST", "/session", { title })));
}

async function goOn(api: Api, resumed: string, { config, workDir, isPrivate }: OpenOptions): Promise<Session> {
  const path = `/session/${encodeURIComponent(resumed)}`;
  const found = await api.call("GET", path);
  // An id of another shape is refused with 400 and an unknown one with 404 (1.18.33).
  if (found.status === 404 || found.status === 400) {
    const message = `Cannot resume: OpenCode has no conversation ${JSON.stringify(resumed.slice(0, 100))}`;
    throw new Refusal({ message, category: "session_not_found" });
  }
  const old = Session.parse(expectOk(found));
  const isElsewhere = realPath(old.directory) !== realPath(workDir);
  // A person's own conversation stays where it is: what goes on elsewhere is a copy.
  const isCopied = config.fork_session === true || (isElsewhere && !isPrivate);
  const session = isCopied ? Session.parse(expectOk(await api.call("POST", `${path}/fork`, {}))) : old;
  if (isElsewhere) await move(api, session, workDir);
  return session;
}

/** Its tools and its events would be those of the directory where it began, whatever the server is asked (1.18.33). */
async function move(api: Api, { id, directory }: Session, workDir: string): Promise<void> {
  const body = { sessionID: id, destination: { directory: workDir } };
  const { status } = await api.call("POST", "/experimental/control-plane/move-session", body);
  if (status < 300) return;
  const message = `Cannot resume in ${workDir}: the conversation began in ${directory}, and OpenCode cannot move it`;
  throw new Refusal({ message, category: "invalid_request" });
}

function realPath(path: string): string {
  try {
    return realpathSync(path);
  } catch (error) {
    if (errnoOf(error) === undefined) throw error;
    // Gone: then it is another one than ours.
    return path;
  }
}

function expectOk({ status, body }: ApiAnswer): unknown {
  if (status < 300) return body;
  const error = RawError.safeParse(body).data;
  throw new Refusal(
    error ? failureOf(error) : { message: `opencode answered with status ${status}`, category: undefined },
  );
}
