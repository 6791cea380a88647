/** A real sidecar for tests, and the two kinds of clients it has: a daemon's link and an older client. */
import { type ChildProcess, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { WebSocket } from "ws";
import { type Bootstrap, defaultSidecarLimits } from "../../src/protocol/bootstrap.ts";
import { type LogLine, parseLogLine } from "../../src/protocol/line.ts";
import { linkProtocol, SidecarFrame } from "../../src/protocol/link-frame.ts";
import { challengeHeader, isProof, linkProof, proofHeader } from "../../src/protocol/link-proof.ts";
import { eventually } from "./eventually.ts";

const sidecarPath = fileURLToPath(new URL("../../dist/sidecar.js", import.meta.url));
const agentsPath = fileURLToPath(new URL("../fixtures/agents/", import.meta.url));

export function fakeAgent(name: string, ...args: string[]): string[] {
  return [process.execPath, join(agentsPath, `${name}.mjs`), ...args];
}

export interface RunningSidecar {
  readonly process: ChildProcess;
  readonly pid: number;
  readonly exited: Promise<{ code: number | null; signal: NodeJS.Signals | null }>;
  stderr(): string;
}

export function runSidecar(env: Record<string, string>, options: { cwd?: string } = {}): RunningSidecar {
  const child = spawn(process.execPath, [sidecarPath], {
    env: { PATH: process.env["PATH"], HOME: process.env["HOME"], ...env },
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    stdio: ["pipe", "pipe", "pipe"],
  });
  let stderr = "";
  child.stderr.on("data", (chunk) => (stderr += String(chunk)));
  const exited = new Promise<{ code: number | null; signal: NodeJS.Signals | null }>((resolve) => {
    child.once("exit", (code, signal) => resolve({ code, signal }));
  });
  return { process: child, pid: child.pid ?? 0, exited, stderr: () => stderr };
}

/** Ends it whatever state it is in; its own clean-up comes first. */
export async function endSidecar(sidecar: RunningSidecar): Promise<void> {
  sidecar.process.kill("SIGTERM");
  const timer = setTimeout(() => sidecar.process.kill("SIGKILL"), 15_000);
  await sidecar.exited;
  clearTimeout(timer);
}

/** Starts one by hand and waits for its port. */
export async function startByHand(options: {
  command: string[];
  env?: Record<string, string>;
}): Promise<RunningSidecar & { origin: string }> {
  const sidecar = runSidecar({
    AGENT_CMD: JSON.stringify(options.command),
    SIDECAR_PORT: "0",
    SIDECAR_CLEANUP_TIMEOUT: "1",
    ...options.env,
  });
  const origin = await eventually(() => /Listening on (\S+)/.exec(sidecar.stderr())?.[1], {
    what: "the sidecar's port",
  });
  return { ...sidecar, origin };
}

export function bootstrapFor(dir: string, command: string[], change: Partial<Bootstrap> = {}): Bootstrap {
  return {
    protocol: linkProtocol,
    session_id: `s-${Math.random().toString(36).slice(2)}`,
    session_dir: dir,
    socket_path: join(dir, "sidecar.sock"),
    token: "secret",
    agent: { name: "test", harness: "generic", command, env: { PATH: process.env["PATH"] ?? "" } },
    work_dir: dir,
    config: {},
    interactive: true,
    keep_raw: false,
    limits: defaultSidecarLimits,
    ...change,
  };
}

/** Starts one as the daemon does and waits for its answer. */
export async function startForDaemon(bootstrap: Bootstrap): Promise<RunningSidecar & { answer: unknown }> {
  const sidecar = runSidecar({});
  sidecar.process.stdin?.end(`${JSON.stringify(bootstrap)}\n`);
  if (!sidecar.process.stdout) throw new Error("no stdout");
  const lines = createInterface(sidecar.process.stdout);
  const answer = await new Promise<unknown>((resolve, reject) => {
    lines.once("line", (line) => resolve(JSON.parse(line)));
    void sidecar.exited.then(() => reject(new Error(`the sidecar ended: ${sidecar.stderr()}`)));
  });
  return { ...sidecar, answer };
}

/** A daemon's end of the link. */
export class TestLink {
  readonly socket: WebSocket;
  readonly frames: SidecarFrame[] = [];
  readonly closed: Promise<number>;
  /** The other side has proved that it knows the token. */
  isSidecar = false;
  /** Count of the last line. */
  lastSeq: number;
  /** Lines whose count is not the one after the line before: must stay empty. */
  readonly faults: string[] = [];
  onLine: (line: string) => void = () => undefined;
  #nextId = 1;

  constructor(bootstrap: Bootstrap, after: number, token = bootstrap.token) {
    this.lastSeq = after;
    const challenge = randomBytes(32).toString("base64url");
    this.socket = new WebSocket(`ws+unix:${bootstrap.socket_path}:/ws?after=${after}`, {
      headers: { [challengeHeader]: challenge },
      maxPayload: 0,
    });
    this.socket.on("upgrade", ({ headers }) => {
      const challenges = { daemon: challenge, sidecar: String(headers[challengeHeader]) };
      this.isSidecar = isProof(headers[proofHeader], linkProof(token, "sidecar", challenges));
      const proof = linkProof(token, "daemon", challenges);
      this.socket.once("open", () => this.send("proof", { proof }));
    });
    this.closed = new Promise((resolve) => this.socket.once("close", resolve));
    this.socket.on("error", () => undefined);
    this.socket.on("message", (data, isBinary) => {
      if (isBinary) this.#take(String(data));
      else this.frames.push(SidecarFrame.parse(JSON.parse(String(data))));
    });
  }

  async opened(): Promise<this> {
    await eventually(() => this.frames.some(({ type }) => type === "hello"), { what: "the hello" });
    return this;
  }

  send(type: string, data: unknown = {}): void {
    this.socket.send(JSON.stringify({ type, data }));
  }

  async ask(type: string, data: unknown = {}): Promise<{ ok: boolean; error?: string | undefined }> {
    const id = String(this.#nextId++);
    this.socket.send(JSON.stringify({ type, data, id }));
    return eventually(
      () => this.frames.flatMap((frame) => (frame.type === "reply" && frame.data.id === id ? [frame.data] : []))[0],
      { what: `the reply to ${type}` },
    );
  }

  #take(batch: string): void {
    if (!batch.endsWith("\n")) this.faults.push(`a batch that ends in ${JSON.stringify(batch.slice(-20))}`);
    for (const line of batch.slice(0, -1).split("\n")) {
      const seq = Number(/"sidecar_seq":(\d+)\}$/.exec(line)?.[1]);
      if (seq !== this.lastSeq + 1) this.faults.push(`${seq} after ${this.lastSeq}`);
      this.lastSeq = seq;
      this.onLine(line);
    }
  }
}

/** Follows a sidecar to its `exit`, acknowledging it; gives all its lines. */
export async function collect(
  bootstrap: Bootstrap,
  act: (link: TestLink) => void = () => undefined,
): Promise<LogLine[]> {
  const link = new TestLink(bootstrap, 0);
  const lines: LogLine[] = [];
  link.onLine = (line) => lines.push(parseLogLine(`${line.slice(0, -1)},"seq":0}`));
  await link.opened();
  act(link);
  await eventually(() => lines.at(-1)?.type === "exit", { deadlineMs: 30_000, what: "exit" });
  link.send("ack", { sidecar_seq: link.lastSeq });
  return lines;
}

export interface OldEvent {
  type: string;
  data: Record<string, unknown>;
  exit_code?: number;
  offset: number;
  timestamp: number;
}

/** A client of the first sidecar's protocol. */
export class TestClient {
  readonly socket: WebSocket;
  readonly events: OldEvent[] = [];
  readonly closed: Promise<number>;

  constructor(origin: string, query = "", headers: Record<string, string> = {}) {
    this.socket = new WebSocket(`ws://${origin}/ws${query}`, { headers });
    this.closed = new Promise((resolve) => this.socket.once("close", resolve));
    this.socket.on("error", () => undefined);
    this.socket.on("message", (data) => this.events.push(JSON.parse(String(data))));
  }

  async opened(): Promise<this> {
    await eventually(() => this.socket.readyState !== WebSocket.CONNECTING, { what: "the connection" });
    return this;
  }

  async event(type: string, matches: (event: OldEvent) => boolean = () => true): Promise<OldEvent> {
    return eventually(() => this.events.find((event) => event.type === type && matches(event)), {
      what: `an event ${type}`,
    });
  }
}
