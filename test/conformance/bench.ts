/** One daemon, one model and one agent for all cases, and the sessions that they share. */
import { createServer } from "node:net";
import { fileURLToPath } from "node:url";
import type { Capabilities } from "../../src/protocol/capabilities.ts";
import { type Daemon, startDaemon } from "../support/start-daemon.ts";
import type { AgentUnderTest, ModelUnderTest } from "./agent-under-test.ts";
import { LiveSession } from "./live-session.ts";

const fixtures = fileURLToPath(new URL("../fixtures/agents/", import.meta.url));

/** The agent as it is, one whose model nobody serves, and one behind a program that adds lines. */
type Variant = "plain" | "unserved" | "injected";

export class Bench {
  readonly agent: AgentUnderTest;
  readonly model: ModelUnderTest;
  readonly capabilities: Capabilities;
  #daemon: Daemon;
  /** The first one's, which made the data dir and removes it. */
  readonly #first: Daemon;
  readonly #shared = new Map<string, LiveSession>();
  /** Sessions of the case that runs. */
  #own: LiveSession[] = [];
  #count = 0;

  private constructor(
    parts: { agent: AgentUnderTest; model: ModelUnderTest; capabilities: Capabilities },
    daemon: Daemon,
  ) {
    this.agent = parts.agent;
    this.model = parts.model;
    this.capabilities = parts.capabilities;
    this.#daemon = daemon;
    this.#first = daemon;
  }

  static async open(agent: AgentUnderTest): Promise<Bench> {
    const model = await agent.startModel();
    const daemon = await startDaemon({ config: { agents: await entries(agent, model.url) }, env });
    const { body } = await daemon.get("/agents");
    const { capabilities } = body.find(({ name }: { name: string }) => name === agent.name);
    return new Bench({ agent, model, capabilities }, daemon);
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
    const { status, body, text } = await this.ask({ agent, ...request });
    if (status !== 201) throw new Error(`no session: ${status} ${text}`);
    const session = new LiveSession(String(body.session_id), this);
    this.#own.push(session);
    return session;
  }

  /** The daemon's answer to a request for a session, also when it refuses. */
  ask(request: Record<string, unknown>) {
    return this.#daemon.post("/sessions", { agent: this.agent.name, ...this.agent.request, ...request });
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

async function entries(agent: AgentUnderTest, modelUrl: string): Promise<Record<string, unknown>> {
  const plain = agent.entry(modelUrl);
  const { file, unknown } = agent.injector;
  return {
    [nameOf(agent, "plain")]: plain,
    [nameOf(agent, "unserved")]: agent.entry(`http://127.0.0.1:${await closedPort()}`),
    [nameOf(agent, "injected")]: {
      ...plain,
      command: `${fixtures}${file}`,
      env: { ...plain.env, INJECT_PROGRAM: plain.command, INJECT_LINES: JSON.stringify(unknown) },
    },
  };
}

async function closedPort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === "string") throw new Error("no port");
  return address.port;
}
