/** One session as a case sees it: what is asked of it, and what its log says of each turn. */
import { join } from "node:path";
import { expect } from "vitest";
import { ofType, results } from "../support/claude-daemon.ts";
import type { LoggedEvent } from "../support/client-socket.ts";
import { eventually } from "../support/eventually.ts";
import { allProcesses, sessionProcesses } from "../support/processes.ts";
import { readLog, summary } from "../support/read-log.ts";
import type { Bench } from "./bench.ts";

type Data = Record<string, unknown>;

/** A file in the work dir: its path on this machine, and as the agent sees it. */
export interface AgentFile {
  here: string;
  there: string;
}

/** Agents take seconds of a whole core to start, and tests run beside each other. */
const deadlineMs = 120_000;

export class LiveSession {
  readonly id: string;
  readonly #bench: Bench;

  constructor(id: string, bench: Bench) {
    this.id = id;
    this.#bench = bench;
  }

  /** The log once `enough` holds for it; by default once the session has ended. */
  log(enough?: (events: readonly LoggedEvent[]) => boolean): Promise<readonly LoggedEvent[]> {
    return readLog(this.#bench.daemon, this.id, { deadlineMs, ...(enough ? { enough } : {}) });
  }

  async view() {
    return (await this.#bench.daemon.get(`/sessions/${this.id}`)).body;
  }

  async file(name: string): Promise<AgentFile> {
    const here = join((await this.view()).work_dir, name);
    return { here, there: this.#bench.place.inside(here) };
  }

  async isIdle(): Promise<boolean> {
    const { status, activity, queue } = await this.view();
    // Orphaned: taken over from a daemon that was killed.
    return ["running", "orphaned"].includes(status) && activity === "idle" && queue.length === 0;
  }

  async prompt(text: string): Promise<string> {
    return String((await this.tell("prompt", { text })).turn_id);
  }

  /** A POST that must be accepted; its answer. */
  async tell(what: string, body: Data = {}) {
    const answer = await this.#bench.daemon.post(`/sessions/${this.id}/${what}`, body);
    expect(answer, what).toMatchObject({ status: 202 });
    return answer.body;
  }

  /** A prompt to its end: the result and everything else of that turn. */
  async turn(text: string): Promise<Turn> {
    return this.turnEnd(await this.prompt(text));
  }

  async turnEnd(turnId: string): Promise<Turn> {
    return turnOf(await this.upTo(turnId), turnId);
  }

  /** The next prompts have their answers, though one that is hurried may run out of time on a busy machine. */
  async goesOn(): Promise<void> {
    for (let count = 1; ; count++) {
      const { result, events } = await this.turn(`and on ${count}`);
      if (result?.["status"] === "limit" && count < 10) continue;
      expect(result, summary(events)).toMatchObject({ status: "success", text: `You said: and on ${count}` });
      return;
    }
  }

  /** The whole log up to the end of this turn, and what has come since. */
  upTo(turnId: string): Promise<readonly LoggedEvent[]> {
    return this.log((events) => results(events).some(({ turn }) => turn === turnId));
  }

  /** The turn so far, once `enough` holds for it. */
  async during(turnId: string, enough: (turn: Turn) => boolean): Promise<Turn> {
    return turnOf(await this.log((events) => enough(turnOf(events, turnId))), turnId);
  }

  /** The question of this turn, once it is open. */
  async question(turnId: string) {
    return eventually(
      async () => (await this.view()).inputs.find((input: { turn_id: string }) => input.turn_id === turnId),
      { deadlineMs, what: `a question in ${turnId}` },
    );
  }

  respond(requestId: string, body: Data) {
    return this.#bench.daemon.put(`/sessions/${this.id}/inputs/${requestId}`, body);
  }

  patch(body: Data) {
    return this.#bench.daemon.patch(`/sessions/${this.id}`, body);
  }

  /** The agent itself, rather than what it started. */
  agentPid(): number {
    const ours = new Set(sessionProcesses(this.id));
    const { isAgent } = this.#bench.agent;
    const found = allProcesses().find(({ pid, commandLine }) => ours.has(pid) && isAgent(commandLine));
    if (!found) throw new Error(`no process of ${this.id} is the agent`);
    return found.pid;
  }

  /** Takes it off the list, and nothing of it may be left. */
  async end(): Promise<void> {
    await this.#bench.daemon.delete(`/sessions/${this.id}`);
    await this.allGone();
  }

  async allGone(): Promise<void> {
    const what = `the end of every process of ${this.id}`;
    await eventually(() => sessionProcesses(this.id).length === 0, { deadlineMs: 30_000, what });
  }
}

/** What the log says of one turn. */
export interface Turn {
  id: string;
  /** Undefined while it runs. */
  result: Data | undefined;
  events: readonly LoggedEvent[];
  of(type: string): Data[];
  /** `progress` of this kind. */
  progress(kind: string): Data[];
  /** Text in whole messages, without what was taken back. */
  said: string[];
}

export function turnOf(events: readonly LoggedEvent[], id: string): Turn {
  // What closes a call or a question names it, and the turn by that.
  const own = events.filter(({ data }) => data["turn_id"] === id);
  const asked = new Set(ofType(own, "input_required").map((data) => data["request_id"]));
  const all = events.filter(
    ({ type, data }) => data["turn_id"] === id || (type === "input_resolved" && asked.has(data["request_id"])),
  );
  return {
    id,
    result: ofType(all, "result")[0],
    events: all,
    of: (type) => ofType(all, type),
    progress: (kind) => ofType(all, "progress").filter((data) => data["kind"] === kind),
    said: ofType(all, "agent_message")
      .filter((data) => data["delta"] === false && data["superseded"] !== true)
      .map((data) => String(data["text"])),
  };
}

export const isWriting = (turn: Turn) => turn.of("agent_message").filter((data) => data["delta"] === true).length >= 3;
export const isAtWork = (turn: Turn) => turn.of("tool_use").length > 0;
export const isRunning = (mark: string) => allProcesses().some(({ commandLine }) => commandLine.includes(mark));
