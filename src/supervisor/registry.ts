/** The live sessions, by id and name, and the places that are taken for those about to be created. */
import { AgentdError } from "../protocol/error.ts";
import type { Entry } from "./entry.ts";

/** What a session needs for itself alone. */
export interface Claim {
  id: string;
  name: string | undefined;
  /** The agent's conversation that it goes on with. */
  conversation: string | undefined;
  /** The session whose private home it uses. */
  homeOf: string | undefined;
  /** Who begins it. */
  by: string | undefined;
}

export interface RegistryLimits {
  /** Live sessions; 0 is no limit. */
  sessions: number;
  /** Of those that one caller began; 0 is no limit. */
  sessionsOfOne: number;
}

/** When it is worth asking again for what only an end gives room for. */
const retryAfterS = 5;

export class Registry {
  readonly #entries = new Map<string, Entry>();
  readonly #names = new Map<string, string>();
  readonly #creating = new Map<string, Claim>();
  readonly #limits: RegistryLimits;
  #onQuiet: (() => void) | undefined;

  constructor(limits: RegistryLimits) {
    this.#limits = limits;
  }

  find(ref: string): Entry | undefined {
    return this.#entries.get(ref) ?? this.#entries.get(this.#names.get(ref) ?? "");
  }

  /** In no order. One that has ended stays until its end is in the store. */
  all(): Entry[] {
    return [...this.#entries.values()];
  }

  /** Whether a session of this id is here, or is about to be. */
  has(id: string): boolean {
    return this.#entries.has(id) || this.#creating.has(id);
  }

  get liveCount(): number {
    let count = this.#creating.size;
    for (const [id, { attendance }] of this.#entries) if (attendance && !this.#creating.has(id)) count++;
    return count;
  }

  /** Resolves once when no session is live; used by a daemon that leaves then. */
  whenQuiet(tell: () => void): void {
    this.#onQuiet = tell;
  }

  checkQuiet(): void {
    if (this.liveCount === 0) this.#onQuiet?.();
  }

  /** Reserves what a new session needs, or throws: no two live sessions get the same. `release` follows in any case. */
  claim(claim: Claim): void {
    const { id, name } = claim;
    if (this.#isTaken(id)) throw takenId(id);
    if (name !== undefined && this.#isTaken(name)) throw takenName(name, this.#names.get(name) ?? name);
    this.#refuseTooMany(claim.by);
    if (claim.conversation !== undefined) this.#refuseSecond(claim.conversation);
    this.#creating.set(id, claim);
    if (name !== undefined) this.#names.set(name, id);
  }

  /** The creation is over: what was made of it is here by `add`, or nothing is. */
  release(id: string): void {
    this.#creating.delete(id);
    if (!this.#entries.has(id)) this.drop(id);
  }

  add(entry: Entry): void {
    const { id, spec } = entry.session;
    this.#entries.set(id, entry);
    if (spec.name !== undefined) this.#names.set(spec.name, id);
  }

  drop(id: string): void {
    const isKnown = this.#entries.delete(id);
    for (const [name, owner] of this.#names) if (owner === id) this.#names.delete(name);
    if (isKnown) this.checkQuiet();
  }

  isHomeUsed(homeOf: string, besides: string): boolean {
    const claimed = [...this.#creating.values()].some((claim) => claim.homeOf === homeOf && claim.id !== besides);
    return claimed || this.all().some(({ session }) => session.spec.home_of === homeOf && session.id !== besides);
  }

  #refuseTooMany(by: string | undefined): void {
    const { sessions, sessionsOfOne } = this.#limits;
    if (sessions > 0 && this.liveCount >= sessions)
      throw new AgentdError(
        "max_sessions",
        `max sessions limit reached: ${sessions} are live. Stop one, or raise --max-sessions`,
      );
    if (sessionsOfOne > 0 && by !== undefined && this.#liveCountOf(by) >= sessionsOfOne)
      throw new AgentdError(
        "token_sessions",
        `Cannot start another session for "${by}": ${sessionsOfOne} of its sessions are live, and no more are permitted (limits.token_sessions). Stop one, or wait for an end`,
        { details: { retry_after: retryAfterS } },
      );
  }

  #liveCountOf(by: string): number {
    let count = [...this.#creating.values()].filter((claim) => claim.by === by).length;
    for (const [id, { attendance, session }] of this.#entries)
      if (attendance && session.spec.created_by === by && !this.#creating.has(id)) count++;
    return count;
  }

  #isTaken(name: string): boolean {
    return this.#entries.has(name) || this.#creating.has(name) || this.#names.has(name);
  }

  #refuseSecond(conversation: string): void {
    const live = this.all().find(
      ({ session }) =>
        session.isLive &&
        (session.agentSessionId === conversation ||
          (session.spec.resume_agent_session === conversation && !session.spec.is_fork)),
    );
    const creating = [...this.#creating.values()].find((claim) => claim.conversation === conversation);
    const id = live?.session.id ?? creating?.id;
    if (id === undefined) return;
    throw new AgentdError(
      "resume_in_use",
      `Cannot resume the conversation "${conversation}": session "${id}" is live on it. Stop that one first`,
      { details: { error_category: "duplicate_session", retryable: true } },
    );
  }
}

export function takenId(id: string): AgentdError {
  return new AgentdError("session_exists", `session_id already exists: ${id}`);
}

export function takenName(name: string, owner: string): AgentdError {
  return new AgentdError(
    "name_taken",
    `Cannot name the session "${name}": session "${owner}" has that name. Choose another, or delete that one`,
    { details: { session_id: owner } },
  );
}
