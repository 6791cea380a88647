/** Somebody who talks in a chat: a message after the other, also while one is answered, and some of them more than once. */
import { setTimeout as sleep } from "node:timers/promises";
import type { Call, Caller } from "./caller.ts";
import { type ChatTale, newChatTale, noteAnswer } from "./chat-tale.ts";
import type { Insistence } from "./insistence.ts";
import type { Random } from "./random.ts";
import { newTale, type Tale } from "./tale.ts";

export interface ChatterOptions {
  name: string;
  random: Random;
  caller: Caller;
  insistence: Insistence;
  tales: Tale[];
  isOver(): boolean;
}

const keyedShare = 0.7;

export class Chatter {
  readonly chat: ChatTale;
  readonly #options: ChatterOptions;

  constructor(options: ChatterOptions) {
    this.#options = options;
    this.chat = newChatTale(options.name);
  }

  /** Makes the chat, before anything goes wrong: nothing can be said in it before it is there. */
  async begin(): Promise<void> {
    const { random, caller, name } = this.#options;
    const call = { method: "POST", path: "/chats", body: { name, config: { agent: "counts" } }, key: random.uuid() };
    const made = await caller.call(call);
    if (made?.status !== 201) throw new Error(`Cannot make the chat ${name}: ${JSON.stringify(made)}`);
  }

  async play(): Promise<void> {
    const { random, isOver } = this.#options;
    // The first one has a key: so it comes to something in any case.
    await this.#say(1, { isKeyed: true });
    for (let count = 2; !isOver(); count++) {
      const act = random.weighted({ say: 6, again: 1, interrupt: 1, wait: 3 });
      if (act === "say") await this.#say(count, { isKeyed: random.chance(keyedShare) });
      else if (act === "again") await this.#again();
      else if (act === "interrupt") await this.#interrupt();
      else await sleep(random.between(10, 400));
      await learnSessions(this.chat, this.#options);
    }
  }

  async #say(count: number, { isKeyed }: { isKeyed: boolean }): Promise<void> {
    const { random, caller, insistence, isOver, name } = this.#options;
    const doing = `steps=${random.between(1, 2)} words=${random.between(1, 40)} pause=${random.pick([0, 0, 1, 5])} ask=0`;
    const text = `${doing} [${name}.${count}]`;
    this.chat.sent.add(text);
    const call: Call = { method: "POST", path: `/chats/${name}/messages`, body: { message: text }, step: "message" };
    if (!isKeyed) return noteAnswer(this.chat, text, await caller.call(call));
    const keyed = { ...call, key: random.uuid() };
    const answer = await insistence.send(keyed, random, isOver);
    if (answer) noteAnswer(this.chat, text, answer);
    else this.chat.unanswered.push({ call: keyed, text });
    if (answer?.status === 202) this.chat.kept.push({ call: keyed, answer });
  }

  async #again(): Promise<void> {
    const { random, insistence } = this.#options;
    if (this.chat.kept.length === 0) return;
    const fault = await insistence.check(random.pick(this.chat.kept));
    if (fault !== undefined) this.chat.faults.push(fault);
  }

  async #interrupt(): Promise<void> {
    const { caller, name } = this.#options;
    const view = await caller.call({ method: "GET", path: `/chats/${name}` });
    const current = view?.body?.current_session;
    if (typeof current === "string")
      await caller.call({ method: "POST", path: `/sessions/${current}/interrupt`, step: "interrupt" });
  }
}

/** Its sessions are as good as any for accidents, and their logs are checked as all are. */
export async function learnSessions(
  chat: ChatTale,
  { caller, tales }: { caller: Caller; tales: Tale[] },
): Promise<Record<string, unknown> | undefined> {
  const view = await caller.call({ method: "GET", path: `/chats/${chat.name}` });
  if (view?.status !== 200) return undefined;
  for (const id of [...view.body.session_chain, ...(view.body.next_session ? [view.body.next_session] : [])])
    if (!tales.some((tale) => tale.id === id)) tales.push({ ...newTale(id, "counts"), sent: chat.sent, isOver: true });
  return view.body;
}
