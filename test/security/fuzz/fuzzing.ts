/** A daemon under inputs that nobody would send: none is answered with a fault, none hangs, none is the last. */
import { readFile } from "node:fs/promises";
import { Agent, request } from "node:http";
import fc from "fast-check";
import { collectGarbage, inspectorArgs } from "../../bench/inspector.ts";
import type { ClientSocket } from "../../support/client-socket.ts";
import { eventually } from "../../support/eventually.ts";
import type { Daemon } from "../../support/start-daemon.ts";
import { notable, upgrade } from "../attacks/frames.ts";
import { fixture, Ground } from "../attacks/ground.ts";
import { open } from "../attacks/raw.ts";
import { frameBytes, headBytes, messages } from "./frames.ts";
import { chatName, type FuzzedRequest, requests, victims } from "./requests.ts";

export interface FuzzOptions {
  inputs: number;
  seed: number;
  /** Look at its memory, which takes a run of some length. */
  memory?: boolean;
}

export interface FuzzReport {
  /** Each with what was sent, so that it can be sent again. */
  faults: string[];
  /** Those that came to somebody: what was sent to a session that had ended does not count. */
  inputs: number;
  /** Of the requests for a session that was to be alive, the part that found it so. */
  aliveShare: number;
  /** How often each status came. */
  statuses: Record<string, number>;
  /** How often each thing was said on a socket: `pong`, `accepted`, an error by its code, a close by its own. */
  said: Record<string, number>;
  /** Of the second half of the run. */
  grownMib: number | undefined;
}

/** Goes on when it is interrupted, so that no message ends the session that messages are for. */
const untiring = { command: "/bin/sh", args: ["-c", "trap '' INT; exec cat"] };

const batchSize = 500;
/** How many messages share a socket. */
const wordsAtOnce = 50;
const lanes = 16;
/** Longer than anything here may take: whoever is not answered by then has been forgotten. */
const answerMs = 30_000;

export class Fuzzing {
  readonly #ground: Ground;
  readonly #agent = new Agent({ keepAlive: true, maxSockets: lanes });
  readonly #faults: string[] = [];
  readonly #statuses = new Map<string, number>();
  readonly #said = new Map<string, number>();
  /** What messages and frames are for. No request knows it: it would be ended by one, and the rest would reach nobody. */
  readonly #listener: string;
  /** Sessions that may be stopped and deleted by what is sent; there is another one that nothing here knows. */
  readonly #victims: string[] = [];
  /** How many requests were for one of them, and how many of these found it dead. */
  readonly #aimed = { all: 0, tooLate: 0 };

  private constructor(ground: Ground, listener: string) {
    this.#ground = ground;
    this.#listener = listener;
  }

  static async open({ memory }: { memory: boolean }): Promise<Fuzzing> {
    const ground = await Ground.open({
      nodeArgs: memory ? inspectorArgs : [],
      config: {
        // The programs of real agents are not to be started by chance.
        agents: {
          ...Object.fromEntries(
            ["claude", "codex", "opencode"].map((name) => [name, { ...fixture("echo"), harness: "generic" }]),
          ),
          untiring,
          counts: { harness: "claude", command: fixture("claude-counts").args[0] },
        },
        limits: { token_requests: 0, max_sessions: 8 },
      },
    });
    const { body } = await ground.daemon.post("/sessions", { agent: "untiring", interactive: true });
    return new Fuzzing(ground, body.session_id);
  }

  async run({ inputs, seed, memory = false }: FuzzOptions): Promise<FuzzReport> {
    let done = 0;
    let halfway: number | undefined;
    for (let batch = 0; done < inputs; batch++) {
      await this.#meetVictims();
      done += await this.#batch(seed + batch);
      if (memory && halfway === undefined && done >= inputs / 2) halfway = await this.#memoryMib();
    }
    const grownMib = halfway === undefined ? undefined : (await this.#memoryMib()) - halfway;
    await this.#expectSound();
    const [statuses, said] = [Object.fromEntries(this.#statuses), Object.fromEntries(this.#said)];
    const aliveShare = 1 - this.#aimed.tooLate / this.#aimed.all;
    return { faults: this.#faults, inputs: done, aliveShare, statuses, said, grownMib };
  }

  async close(): Promise<void> {
    this.#agent.destroy();
    await this.#ground.close();
  }

  async #meetVictims(): Promise<void> {
    for (const slot of victims.keys()) await this.#meetVictim(slot);
  }

  /** Puts another one in the place of one that has ended. */
  async #meetVictim(slot: number): Promise<void> {
    const { daemon, id } = this.#ground;
    await daemon.post("/chats", { name: chatName, config: { agent: "counts", idle_timeout: "1s" } });
    const { body } = await daemon.get("/sessions?state=live");
    const live: string[] = body.map((session: { session_id: string }) => session.session_id);
    if (live.includes(this.#victims[slot] ?? "")) return;
    // What was sent may have begun as many as are permitted.
    const known = [id, this.#listener, ...this.#victims];
    const free = live.find((other) => !known.includes(other));
    this.#victims[slot] =
      free ?? (await daemon.post("/sessions", { agent: "echo", interactive: true })).body.session_id;
  }

  async #batch(seed: number): Promise<number> {
    const sample = <T>(values: fc.Arbitrary<T>, numRuns: number) => fc.sample(values, { seed, numRuns });
    const { daemon } = this.#ground;
    const head = `GET /sessions?limit=1 HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${daemon.token}\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}`;
    const asked = sample(requests, batchSize);
    const heads = sample(headBytes(head), batchSize / 10);
    const frames = sample(frameBytes, batchSize / 5);
    const words = sample(messages, batchSize);
    await inLanes(asked, (one) => this.#ask(one));
    await inLanes(heads, (bytes) => this.#write(bytes));
    let heard = 0;
    await inLanes(frames, async (bytes) => {
      if (await this.#frames(bytes)) heard++;
    });
    return asked.length + heads.length + heard + (await this.#say(words));
  }

  async #ask(drawn: FuzzedRequest): Promise<void> {
    const slot = victims.findIndex((name) => drawn.path.includes(name));
    const asked = { ...drawn, path: drawn.path.replace(victims[slot] ?? "", this.#victims[slot] ?? "") };
    const found = await answerOf(this.#ground.daemon, asked, this.#agent).catch(
      (error: unknown) => `no answer: ${error}`,
    );
    const told = typeof found === "string" ? found : `${found.status}`;
    this.#statuses.set(told, (this.#statuses.get(told) ?? 0) + 1);
    if (slot !== -1 && typeof found !== "string") await this.#noteAimed(slot, found.text);
    // As many sessions as are permitted: a refusal like any other.
    if (typeof found !== "string" && (found.status < 500 || found.text.includes('"max_sessions"'))) return;
    this.#faults.push(
      `${told} to ${JSON.stringify(asked).slice(0, 2000)}: ${typeof found === "string" ? "" : found.text}`,
    );
  }

  /** Whoever finds a victim dead, or kills it, sees to the next. */
  async #noteAimed(slot: number, text: string): Promise<void> {
    const isDead = /"session_(?:not_found|ended)"/.test(text);
    this.#aimed.all += 1;
    this.#aimed.tooLate += isDead ? 1 : 0;
    if (isDead) await this.#meetVictim(slot);
  }

  async #write(bytes: Buffer): Promise<void> {
    const text = await answerTo(this.#ground.daemon.url, bytes).catch((error: unknown) => `HTTP/1.1 ${error}`);
    const [, status = "none"] = /^HTTP\/1\.1 (\S+)/.exec(text) ?? [];
    this.#statuses.set(`head ${status}`, (this.#statuses.get(`head ${status}`) ?? 0) + 1);
    if (/^5|Error/.test(status)) this.#faults.push(`${status} to the bytes ${bytes.toString("base64")}`);
  }

  /** Whether they reached the session: its answer, or its close, came back. */
  async #frames(bytes: Buffer): Promise<boolean> {
    const found = await framesOf(this.#ground, this.#listener, bytes).catch((error: unknown) => String(error));
    // 1011 is the code of a fault of ours.
    const isFault = found !== undefined && /1011|did not come true|not upgraded|Error/.test(found);
    if (isFault) this.#faults.push(`${found} to the frames ${bytes.toString("base64")}`);
    this.#count(`frames: ${isFault ? "a fault" : (found ?? "nothing")}`);
    return !isFault && found !== undefined;
  }

  /** All on one socket, one behind the other; behind them a last one, which is answered when all are. How many were. */
  async #say(words: readonly string[]): Promise<number> {
    let socket: ClientSocket | undefined;
    let heard = 0;
    for (let at = 0; at < words.length; at += wordsAtOnce) {
      const some = words.slice(at, at + wordsAtOnce);
      const told = JSON.stringify(some).slice(0, 5000);
      socket = socket?.closed ? undefined : socket;
      try {
        socket ??= await this.#ground.daemon.ws(this.#listener);
      } catch (error) {
        this.#faults.push(`${error} when the messages ${told} were to be sent`);
        continue;
      }
      if (await this.#sayOn(socket, some, told)) heard += some.length;
    }
    await socket?.close();
    return heard;
  }

  async #sayOn(socket: ClientSocket, words: readonly string[], told: string): Promise<boolean> {
    const from = socket.frames.length;
    for (const text of words) socket.send(text);
    socket.send({ type: "withdraw", turn_id: "the last" });
    const isLast = ({ type, ...rest }: { type: string }) =>
      type === "error" && JSON.stringify(rest).includes("the last");
    const isAnswered = await eventually(() => socket.frames.slice(from).some(isLast), { deadlineMs: answerMs }).catch(
      () => false,
    );
    if (!isAnswered)
      this.#faults.push(`no answer to one of the messages ${told}, ${JSON.stringify(socket.closed ?? "open")}`);
    const answers = socket.frames.slice(from).filter((frame) => !isLast(frame));
    for (const answer of answers) this.#count(`message: ${answer.type === "error" ? answer.code : answer.type}`);
    if (answers.some((frame) => frame.type === "error" && frame.code === "internal") || socket.closed?.code === 1011)
      this.#faults.push(`a fault after one of ${told}`);
    return isAnswered;
  }

  #count(what: string): void {
    this.#said.set(what, (this.#said.get(what) ?? 0) + 1);
  }

  /** The session that nothing aimed at does what it is asked, and the daemon has told of no fault of its own. */
  async #expectSound(): Promise<void> {
    const { daemon, id } = this.#ground;
    await daemon.post(`/sessions/${id}/prompt`, { text: "still here" });
    await eventually(async () => (await daemon.get(`/sessions/${id}/logs`)).text.includes("echo: still here"));
    const told = daemon
      .output()
      .split("\n")
      .filter((line) => line.includes('"level":"error"'));
    this.#faults.push(...told);
  }

  async #memoryMib(): Promise<number> {
    await collectGarbage(this.#ground.daemon);
    const status = await readFile(`/proc/${this.#ground.daemon.pid}/status`, "utf8");
    return Number(/RssAnon:\s+(\d+) kB/.exec(status)?.[1]) / 1024;
  }
}

async function inLanes<T>(items: readonly T[], act: (item: T) => Promise<void>): Promise<void> {
  const queue = items.values();
  await Promise.all(
    Array.from({ length: lanes }, async () => {
      for (const item of queue) await act(item);
    }),
  );
}

/** A stream's answer is its head: it is left there. */
function answerOf(
  { url, token }: Daemon,
  { method, path, headers, body }: FuzzedRequest,
  agent: Agent,
): Promise<{ status: number; text: string }> {
  return new Promise((resolve, reject) => {
    const all = { authorization: `Bearer ${token}`, ...headers };
    const { hostname, port } = new URL(url);
    const asked = request({ hostname, port, path, method, headers: all, agent, timeout: answerMs }, (response) => {
      const status = response.statusCode ?? 0;
      if (String(response.headers["content-type"]).startsWith("text/event-stream")) {
        response.on("error", () => undefined).destroy();
        return resolve({ status, text: "" });
      }
      let text = "";
      response.setEncoding("utf8").on("data", (chunk) => {
        if (text.length < 1000) text += chunk;
      });
      response.on("end", () => resolve({ status, text }));
      response.on("error", reject);
    });
    asked.on("timeout", () => asked.destroy(new Error(`none within ${answerMs} ms`)));
    asked.on("error", reject);
    asked.end(body);
  });
}

/** Sends them and no more, and waits for the other side to have done with it. */
function answerTo(url: string, bytes: Buffer): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = open(url);
    let text = "";
    socket.setTimeout(answerMs, () => socket.destroy(new Error("Error: it hangs")));
    socket.on("data", (chunk) => {
      text += chunk;
    });
    socket.on("error", (error) => (error.message.includes("hangs") ? reject(error) : undefined));
    socket.on("close", () => resolve(text));
    socket.end(bytes);
  });
}

async function framesOf(ground: Ground, id: string, bytes: Buffer): Promise<string | undefined> {
  const { socket, head } = await upgrade({ daemon: ground.daemon, id, bearer: (scope) => ground.bearer(scope) });
  let received = head;
  let isOver = false;
  socket.on("data", (chunk: Buffer) => {
    received = Buffer.concat([received, chunk]);
  });
  socket.on("error", () => undefined);
  socket.on("end", () => socket.end());
  socket.on("close", () => {
    isOver = true;
  });
  socket.end(bytes);
  await eventually(() => isOver, { deadlineMs: answerMs, what: "the end of the connection" });
  return notable(received);
}
