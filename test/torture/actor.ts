/** Somebody who uses sessions: creates one, prompts, steers, approves, interrupts, withdraws, ends it, and begins anew. */
import { setTimeout as sleep } from "node:timers/promises";
import type { Answer, Call, Caller, Step } from "./caller.ts";
import type { Insistence } from "./insistence.ts";
import type { Served } from "./kept-daemon.ts";
import type { Heard } from "./model-diary.ts";
import type { Random } from "./random.ts";
import { newTale, type Tale } from "./tale.ts";
import { Watcher } from "./watcher.ts";

/** An agent that sessions are made of, and how a prompt for it reads. */
export interface Cast {
  agent: string;
  /** Fields of the request besides. */
  request: Record<string, unknown>;
  promptOf(random: Random): string;
  /** What its model was told of a text; absent when the agent itself writes down what it is given. */
  heard?(text: string): Heard;
}

export interface ActorOptions {
  name: string;
  random: Random;
  caller: Caller;
  insistence: Insistence;
  served(): Promise<Served>;
  casts: readonly Cast[];
  tales: Tale[];
  isOver(): boolean;
  /** Whether the log says that the question is closed. */
  isClosed(sessionId: string, requestId: string): boolean;
}

/** How long an actor waits for its session before it does something else. */
const patienceMs = 1500;
/** In which the end of a question reaches the log, whatever is stopped, dead or full meanwhile. */
const closedMs = 30_000;
/** Of creations, prompts and steers, so many bear an Idempotency-Key. */
const keyedShare = 0.5;

export class Actor {
  readonly #options: ActorOptions;
  #count = 0;
  #texts = 0;

  constructor(options: ActorOptions) {
    this.#options = options;
  }

  async play(): Promise<void> {
    while (!this.#options.isOver()) {
      const random = this.#options.random.fork(`session ${this.#count++}`);
      const cast = random.pick(this.#options.casts);
      const tale = random.chance(keyedShare) ? await this.#createOnce(cast, random) : await this.#create(cast, random);
      if (!tale) continue;
      await this.#use(tale, cast, random);
      tale.isOver = true;
    }
  }

  /** Undefined when the daemon would not have it. An answer that was lost is asked for, as a person would. */
  async #create(cast: Cast, random: Random): Promise<Tale | undefined> {
    const tale = newTale(random.uuid(), cast.agent);
    this.#options.tales.push(tale);
    const prompt = random.chance(0.5) ? this.#text(tale, cast, random) : undefined;
    const body = { session_id: tale.id, agent: cast.agent, interactive: true, ...cast.request, prompt };
    for (let attempt = 0; attempt < 20 && !this.#options.isOver(); attempt++) {
      const answer = await this.#options.caller.call({ method: "POST", path: "/sessions", body, step: "create" });
      if (answer?.status === 201) {
        if (prompt !== undefined) tale.accepted.set(prompt, String(answer.body.turn_id));
        return this.#exists(tale, random);
      }
      const found = await this.#look(tale);
      if (found?.status === 200) return this.#exists(tale, random);
      // 507: the disk is full just now. 409 without a session: what a crash left must not be in the way.
      await sleep(random.between(20, 200));
    }
    tale.isOver = true;
    return undefined;
  }

  /** The daemon chooses the id: only the key says that it is the same creation that is asked for again. */
  async #createOnce(cast: Cast, random: Random): Promise<Tale | undefined> {
    const { insistence, tales, isOver } = this.#options;
    const tale = newTale("", cast.agent);
    const prompt = random.chance(0.5) ? this.#text(tale, cast, random) : undefined;
    const body = { agent: cast.agent, interactive: true, ...cast.request, prompt };
    const call = { method: "POST", path: "/sessions", body, step: "create" as const, key: random.uuid() };
    const made = (answer: Answer) => {
      const known: Tale = { ...tale, id: String(answer.body.session_id), isCreated: true };
      tales.push(known);
      known.kept.push({ call, answer });
      if (prompt !== undefined) known.accepted.set(prompt, String(answer.body.turn_id));
      return known;
    };
    const answer = await insistence.send(call, random, isOver);
    if (answer?.status === 201) return this.#exists(made(answer), random);
    // A session may have come of it all the same: it is asked for at the end.
    if (answer === undefined) insistence.unanswered.push({ call, made });
    return undefined;
  }

  #exists(tale: Tale, random: Random): Tale {
    tale.isCreated = true;
    for (let i = random.between(1, 2); i > 0; i--) tale.watchers.push(new Watcher(tale.id, this.#options.served));
    return tale;
  }

  async #use(tale: Tale, cast: Cast, random: Random): Promise<void> {
    for (let left = random.between(3, 14); left > 0 && !this.#options.isOver(); left--) {
      const act = random.weighted({ prompt: 5, steer: 3, approve: 5, interrupt: 2, withdraw: 1, again: 2, wait: 3 });
      const answer = await this.#act(act, tale, cast, random);
      if (answer?.status === 404 || answer?.body?.error === "session_ended") return;
    }
    await this.#end(tale, random);
  }

  async #act(
    act: "prompt" | "steer" | "approve" | "interrupt" | "withdraw" | "again" | "wait",
    tale: Tale,
    cast: Cast,
    random: Random,
  ): Promise<Answer | undefined> {
    switch (act) {
      case "prompt":
      case "steer":
        return this.#say(act, tale, this.#text(tale, cast, random), random);
      case "interrupt":
        return this.#options.caller.call({ method: "POST", path: `/sessions/${tale.id}/interrupt`, step: "interrupt" });
      case "withdraw":
        return this.#withdraw(tale);
      case "approve":
        return this.#approve(tale, random);
      case "again":
        return this.#again(tale, random);
      case "wait":
        await sleep(random.between(10, 400));
        return undefined;
      default:
        return act satisfies never;
    }
  }

  async #say(step: Step & ("prompt" | "steer"), tale: Tale, text: string, random: Random): Promise<Answer | undefined> {
    const call: Call = { method: "POST", path: `/sessions/${tale.id}/${step}`, body: { text }, step };
    const key = random.chance(keyedShare) ? random.uuid() : undefined;
    const answer =
      key === undefined
        ? await this.#options.caller.call(call)
        : await this.#options.insistence.send({ ...call, key }, random, this.#options.isOver);
    if (answer?.status !== 202) return answer;
    tale.accepted.set(text, String(answer.body.turn_id));
    if (key !== undefined) tale.kept.push({ call: { ...call, key }, answer });
    return answer;
  }

  /** A request that was answered long ago comes once more, as a retry that was late. */
  async #again(tale: Tale, random: Random): Promise<undefined> {
    if (tale.kept.length === 0) return;
    const fault = await this.#options.insistence.check(random.pick(tale.kept));
    if (fault !== undefined) tale.faults.push(fault);
  }

  async #withdraw(tale: Tale): Promise<Answer | undefined> {
    const turnId = [...tale.accepted.values()].at(-1);
    if (turnId === undefined) return undefined;
    const path = `/sessions/${tale.id}/prompts/${turnId}`;
    const answer = await this.#options.caller.call({ method: "DELETE", path, step: "withdraw" });
    if (answer?.status === 200) tale.withdrawn.add(turnId);
    // 404 is said of a turn too.
    return answer?.body?.error === "turn_not_found" ? undefined : answer;
  }

  /** Waits a while for a question, and answers it. */
  async #approve(tale: Tale, random: Random): Promise<Answer | undefined> {
    const until = performance.now() + patienceMs;
    while (performance.now() < until && !this.#options.isOver()) {
      const view = await this.#look(tale);
      if (view?.status === 404 || view?.body?.status === "completed" || view?.body?.status === "failed") return view;
      const open = (view?.body?.inputs ?? []) as { request_id: string }[];
      for (const { request_id } of open) tale.listed.add(request_id);
      const forgotten = [...tale.listed].find(
        (id) => !tale.closed.has(id) && !open.some(({ request_id }) => request_id === id),
      );
      if (view?.status === 200 && forgotten !== undefined) await this.#checkClosed(tale, forgotten);
      const [first] = open;
      if (first) return this.#answer(tale, first.request_id, random.chance(0.7) ? "approve_once" : "deny");
      await sleep(30);
    }
    return undefined;
  }

  /** A question that was open and is not listed any more was closed, and the log says so: now, or once there is room. */
  async #checkClosed(tale: Tale, requestId: string): Promise<void> {
    const until = performance.now() + closedMs;
    while (!this.#options.isClosed(tale.id, requestId)) {
      if (this.#options.isOver()) return;
      const view = await this.#look(tale);
      const open = (view?.body?.inputs ?? []) as { request_id: string }[];
      if (view?.status === 404 || open.some(({ request_id }) => request_id === requestId)) return;
      if (performance.now() > until) {
        tale.faults.push(`question ${requestId} was open, is not listed any more, and nobody closed it`);
        tale.listed.delete(requestId);
        return;
      }
      await sleep(100);
    }
    tale.closed.add(requestId);
  }

  async #answer(tale: Tale, requestId: string, decision: string): Promise<Answer | undefined> {
    const path = `/sessions/${tale.id}/inputs/${requestId}`;
    const answer = await this.#options.caller.call({ method: "PUT", path, body: { decision }, step: "approve" });
    if (answer?.status === 200) tale.answers.set(requestId, decision);
    return answer?.body?.error === "input_not_found" ? undefined : answer;
  }

  async #end(tale: Tale, random: Random): Promise<void> {
    const path = `/sessions/${tale.id}`;
    const how = random.weighted({ delete: 3, now: 2, drain: 2 });
    if (how !== "delete") {
      tale.isStopAsked ||= how === "now";
      await this.#options.caller.call({ method: "POST", path: `${path}/stop`, body: { mode: how }, step: "stop" });
      return;
    }
    tale.isDeleteAsked = true;
    tale.isStopAsked = true;
    const answer = await this.#options.caller.call({ method: "DELETE", path, step: "delete" });
    if (answer?.status === 200) tale.isDeleted = true;
  }

  #look(tale: Tale): Promise<Answer | undefined> {
    return this.#options.caller.call({ method: "GET", path: `/sessions/${tale.id}` });
  }

  /** No two are alike: each can be found again in the log and in the agent's own journal. */
  #text(tale: Tale, cast: Cast, random: Random): string {
    const text = `${cast.promptOf(random)} [${this.#options.name}.${this.#count}.${++this.#texts}]`;
    tale.sent.add(text);
    return text;
  }
}
