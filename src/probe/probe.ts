/** One agent tried once, through a daemon: whether it starts, speaks, uses a tool, can be interrupted and resumed. */
import { randomUUID } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import * as z from "zod";
import type { DaemonAddress } from "../client/address.ts";
import { createSession, getSession, interruptSession, readLog, say, stopSession } from "../client/sessions.ts";
import { AgentdError, messageOf } from "../protocol/error.ts";
import { answers, probeWords } from "./model-request.ts";

export interface ProbeStep {
  step: "start" | "text" | "tool" | "interrupt" | "resume";
  /** Undefined when it works. */
  fault: string | undefined;
  milliseconds: number;
}

export interface ProbeWish {
  address: DaemonAddress;
  agent: string;
  /** What the scripted answers need; by default the agent chooses. */
  model: string | undefined;
  signal: AbortSignal;
}

/** Some agents take a while on a busy machine; this is for those that never do. */
const stepMsMax = 90_000;
const lookEveryMs = 100;

/** What comes after a step that fails is left out. */
export async function probeAgent(wish: ProbeWish): Promise<ProbeStep[]> {
  const done: ProbeStep[] = [];
  const probe = new Conversation(wish);
  const acts: readonly [ProbeStep["step"], () => Promise<void>][] = [
    ["start", () => probe.start()],
    ["text", () => probe.ask("text", (text) => text.includes(answers.text))],
    ["tool", () => probe.useTool()],
    ["interrupt", () => probe.interrupt()],
    ["resume", () => probe.resume()],
  ];
  for (const [step, act] of acts) {
    const startedAt = performance.now();
    const fault = await act().then(() => undefined, messageOf);
    done.push({ step, fault, milliseconds: Math.round(performance.now() - startedAt) });
    if (fault !== undefined) break;
  }
  await probe.end();
  return done;
}

const Line = z.looseObject({ type: z.string(), data: z.looseObject({ turn_id: z.string().optional() }) });
type Line = z.infer<typeof Line>;

class Conversation {
  readonly #wish: ProbeWish;
  #id = "";

  constructor(wish: ProbeWish) {
    this.#wish = wish;
  }

  async start(resumed?: string): Promise<void> {
    const { address, agent, model } = this.#wish;
    const { session_id } = await createSession(address, {
      agent,
      interactive: true,
      ...(model === undefined ? {} : { model }),
      ...(resumed === undefined ? { agent_home: "private" } : { resume_session: resumed }),
    });
    this.#id = session_id;
  }

  async ask(word: keyof typeof probeWords, isRight: (text: string) => boolean): Promise<void> {
    const turn = await this.#say(word);
    const result = await this.#waitFor(`the end of the turn`, isResultOf(turn));
    const { status, text, error } = result.data;
    // Its end says why.
    if (status === "aborted") await this.#waitFor("the end of the session", () => false);
    if (status !== "success")
      throw new Error(`the turn ended ${String(status)}${error ? `: ${JSON.stringify(error)}` : ""}`);
    if (!isRight(String(text))) throw new Error(`the answer was ${JSON.stringify(text)}`);
  }

  async useTool(): Promise<void> {
    await this.ask("tool", (text) => text.includes(answers.text));
    const results = (await this.#lines()).filter(({ type }) => type === "tool_result");
    if (!results.some(({ data }) => JSON.stringify(data).includes(answers.toolOutput)))
      throw new Error(`no tool result has its output; ${results.length} came`);
  }

  async interrupt(): Promise<void> {
    const turn = await this.#say("wait");
    await this.#waitFor("text of the turn", ({ type, data }) => type === "agent_message" && data.turn_id === turn);
    await interruptSession(this.#wish.address, this.#id);
    const { data } = await this.#waitFor("the end of the interrupted turn", isResultOf(turn));
    if (data["status"] !== "interrupted") throw new Error(`the turn ended ${String(data["status"])}`);
  }

  async resume(): Promise<void> {
    const old = this.#id;
    await this.end();
    await this.#hasEnded();
    await this.start(old);
    await this.ask("recall", (text) => text.includes(answers.recalled));
  }

  async end(): Promise<void> {
    // One that never began, or has ended by itself, needs no end.
    if (this.#id !== "") await stopSession(this.#wish.address, this.#id, "now").catch(() => undefined);
  }

  async #say(word: keyof typeof probeWords): Promise<string> {
    const text = `Check ${probeWords[word]}`;
    const said = { id: this.#id, kind: "prompt", text, key: randomUUID() } as const;
    try {
      return (await say(this.#wish.address, said)).turn_id;
    } catch (error) {
      // It ended before it could be asked: its end says why.
      if (error instanceof AgentdError && error.code === "session_ended")
        await this.#waitFor("the end of the session", () => false);
      throw error;
    }
  }

  async #waitFor(what: string, isIt: (line: Line) => boolean): Promise<Line> {
    const deadline = performance.now() + stepMsMax;
    for (;;) {
      this.#wish.signal.throwIfAborted();
      const lines = await this.#lines();
      const found = lines.find(isIt);
      if (found) return found;
      const exit = lines.find(({ type }) => type === "exit");
      if (exit) throw new Error(`the session ended: ${endOf(exit)}`);
      if (performance.now() > deadline) throw new Error(`${what} did not come within ${stepMsMax / 1000} s`);
      await delay(lookEveryMs);
    }
  }

  async #hasEnded(): Promise<void> {
    const deadline = performance.now() + stepMsMax;
    const { address, signal } = this.#wish;
    while (!["completed", "failed"].includes((await getSession(address, this.#id, signal)).status)) {
      if (performance.now() > deadline) throw new Error(`the session did not end within ${stepMsMax / 1000} s`);
      await delay(lookEveryMs);
    }
  }

  async #lines(): Promise<Line[]> {
    let text = "";
    for await (const chunk of readLog(this.#wish.address, this.#id, 0)) text += chunk.toString("utf8");
    const whole = text.split("\n").slice(0, -1);
    return whole.flatMap((line) => Line.safeParse(JSON.parse(line)).data ?? []);
  }
}

function isResultOf(turn: string): (line: Line) => boolean {
  return ({ type, data }) => type === "result" && data.turn_id === turn;
}

function endOf({ data }: Line): string {
  const said = [data["category"], data["error"], data["error_detail"]].filter((each) => typeof each === "string");
  return said.join(", ") || JSON.stringify(data);
}
