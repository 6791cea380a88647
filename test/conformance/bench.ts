/** One daemon, one model and one agent for all cases, and the sessions that they share. */
import type { Capabilities } from "../../src/protocol/capabilities.ts";
import { type Daemon, startDaemon } from "../support/start-daemon.ts";
import type { TempDir } from "../support/temp-dir.ts";
import type { AgentUnderTest, ModelUnderTest } from "./agent-under-test.ts";
import { LiveSession } from "./live-session.ts";
import type { Place } from "./place.ts";

/** The agent as it is, one whose model nobody serves, and one behind a program that adds lines. */
type Variant = "plain" | "unserved" | "injected";

export class Bench {
  readonly agent: AgentUnderTest;
  readonly place: Place;
  readonly model: ModelUnderTest;
  readonly capabilities: Capabilities;
  #daemon: Daemon;
  /** The first one's, which made the data dir and removes it. */
  readonly #first: Daemon;
  readonly #shared = new Map<string, LiveSession>();
  /** Sessions of the case that runs. */
  #own: LiveSession[] = [];
  readonly #folders: TempDir[] = [];
  #count = 0;

  private constructor(
    parts: { agent: AgentUnderTest; place: Place; model: ModelUnderTest; capabilities: Capabilities },
    daemon: Daemon,
  ) {
    this.agent = parts.agent;
    this.place = parts.place;
    this.model = parts.model;
    this.capabilities = parts.capabilities;
    this.#daemon = daemon;
    this.#first = daemon;
  }

  static async open(agent: AgentUnderTest, place: Place): Promise<Bench> {
    const model = await agent.startModel();
    const agents = await entries(agent, place, await place.reach("model", model.url));
    const daemon = await startDaemon({ config: { ...place.config, agents }, env });
    const { body } = await daemon.get("/agents");
    const { capabilities } = body.find(({ name }: { name: string }) => name === agent.name);
    return new Bench({ agent, place, model, capabilities }, daemon);
  }

  get daemon(): Daemon {
    return this.#daemon;
  }

  /** A word that nothing else in this run says. */
  word(stem: string): string {
    this.#count++;
    return `${stem}${this.#count}x${process.pid}`;
  }

  /** A command that takes five minutes, and that no other process of this machine runs. */
  longCommand(): { command: string; mark: string } {
    const mark = `sleep 300.${this.word("").replace("x", "")}`;
    return { command: `sh -c '${mark}; true'`, mark };
  }

  async create(request: Record<string, unknown>, variant: Variant = "plain"): Promise<LiveSession> {
    const agent = nameOf(this.agent, variant);
    const own = "work_dir" in request ? undefined : await this.place.ownDir();
    if (own) this.#folders.push(own);
    const { status, body, text } = await this.ask({ agent, ...(own ? { work_dir: own.path } : {}), ...request });
    if (status !== 201) throw new Error(`no session: ${status} ${text}`);
    const session = new LiveSession(String(body.session_id), this);
    this.#own.push(session);
    return session;
  }

  /** The daemon's answer to a request for a session, also when it refuses. */
  ask(request: Record<string, unknown>) {
    return this.#daemon.post("/sessions", {
      agent: this.agent.name,
      ...this.place.request,
      ...this.agent.request,
      ...request,
    });
  }

  /** A folder that sessions may share. */
  workDir(): Promise<TempDir> {
    return this.place.workDir();
  }

  /** A session that many cases talk in; a new one when the last has ended. */
  async shared(kind: keyof typeof sharedKinds = "autonomous"): Promise<LiveSession> {
    const known = this.#shared.get(kind);
    if (known && (await known.isIdle())) return known;
    await known?.end();
    const { variant, ...request } = sharedKinds[kind];
    const made = await this.create({ interactive: true, ...request }, variant);
    this.#own = this.#own.filter((session) => session !== made);
    this.#shared.set(kind, made);
    return made;
  }

  /** What a failed case leaves in a session is no matter of the next one. */
  async caseFailed(): Promise<void> {
    this.#own.push(...this.#shared.values());
    this.#shared.clear();
    await this.caseOver();
  }

  /** What a case began goes with it, however it went. */
  async caseOver(): Promise<void> {
    const own = this.#own;
    this.#own = [];
    await Promise.all(own.map((session) => session.end()));
  }

  /** What the model was sent, as text, wherever `word` occurs in it; oldest first. */
  sentWith(word: string): string[] {
    return this.model.requests.map(({ body }) => JSON.stringify(body)).filter((sent) => sent.includes(word));
  }

  /** Dies without a word; the next daemon of the same data dir takes over. */
  async killDaemon(): Promise<void> {
    await this.#daemon.kill9();
    this.#daemon = await startDaemon({ dataDir: this.#daemon.dataDir, env });
  }

  async close(): Promise<void> {
    await this.#daemon.stop();
    if (this.#daemon !== this.#first) await this.#first.stop();
    await this.model.close();
    await Promise.all(this.#folders.map((folder) => folder.remove()));
    await this.place.close();
  }
}

/** The sessions that cases share: starting one is what costs most. */
const sharedKinds = {
  autonomous: { variant: "plain" },
  interactive: { variant: "plain", permission_mode: "interactive" },
  /** Whose turns may take a few seconds only. */
  hurried: { variant: "plain", turn_timeout: "5s" },
  injected: { variant: "injected" },
  /** With the agent's own lines beside the log. */
  recorded: { variant: "plain", keep_raw: true },
} as const;

const env = { TEST_MODEL_KEY: "no-key-needed" };

const nameOf = (agent: AgentUnderTest, variant: Variant) =>
  variant === "plain" ? agent.name : `${agent.name}-${variant}`;

async function entries(agent: AgentUnderTest, place: Place, modelUrl: string): Promise<Record<string, unknown>> {
  const { file, unknown } = agent.injector;
  const plain = agent.entry(modelUrl);
  return {
    [nameOf(agent, "plain")]: place.entry(agent.name, plain),
    [nameOf(agent, "unserved")]: place.entry(agent.name, agent.entry(await place.nobody())),
    [nameOf(agent, "injected")]: place.injected(agent.name, plain, { file, lines: JSON.stringify(unknown) }),
  };
}
