/**
 * Any command that talks in lines. It has no notion of a turn: with more prompts to come, a turn ends as soon as its
 * line was written, because nobody can know when the command is done with it; with a single prompt, when the command ends.
 */

import { marksOf } from "../../src/process/session-marks.ts";
import { defaultStopWaits } from "../../src/process/stop-ladder.ts";
import type { Bootstrap } from "../../src/protocol/bootstrap.ts";
import type { InterruptReason } from "../../src/protocol/command.ts";
import { defined } from "../../src/protocol/defined.ts";
import { type EventOf, noUsage, type SessionEvent, type TurnStatus } from "../../src/protocol/event.ts";
import { type AgentProcess, type LineBatch, startAgentProcess } from "../agent-process.ts";
import { oversizedLineEvent } from "../blob-store.ts";
import type { AgentEnd, Harness, HarnessHost, HarnessOutput, Waiting } from "../harness.ts";

interface OpenTurn {
  id: string;
  startedAt: number;
  interrupt?: { reason: InterruptReason; detail?: string };
}

export function createGenericHarness(bootstrap: Bootstrap, host: HarnessHost): Harness {
  return new GenericHarness(bootstrap, host);
}

class GenericHarness implements Harness {
  readonly agentSessionId = undefined;
  readonly #bootstrap: Bootstrap;
  readonly #host: HarnessHost;
  #process: AgentProcess | undefined;
  #turn: OpenTurn | undefined;
  #stopReason: string | undefined;
  #resolvePrompted: () => void = () => undefined;
  /** The one prompt of a one-shot session has come, or never will. */
  readonly #prompted: Promise<void>;
  #resolveEnded: (end: AgentEnd) => void = () => undefined;
  readonly ended: Promise<AgentEnd>;

  constructor(bootstrap: Bootstrap, host: HarnessHost) {
    this.#bootstrap = bootstrap;
    this.#host = host;
    this.ended = new Promise((resolve) => {
      this.#resolveEnded = resolve;
    });
    this.#prompted = new Promise((resolve) => {
      this.#resolvePrompted = resolve;
    });
  }

  /** Its silence means nothing that we could know. */
  get waiting(): Waiting {
    return { on: "nothing" };
  }

  async start(): Promise<void> {
    const { agent, work_dir, session_dir, limits } = this.#bootstrap;
    const agentProcess = await startAgentProcess({
      command: agent.command,
      env: agent.env,
      workDir: work_dir,
      marks: marksOf(this.#bootstrap),
      sessionDir: session_dir,
      limits,
      host: this.#host,
      onLines: (batch) => this.#host.emit(outputsOf("stdout", batch)),
      onStderrLines: (batch) => this.#host.emit(outputsOf("stderr", batch)),
    });
    this.#process = agentProcess;
    this.#host.setStatus({ activity: "idle", agent_pid: agentProcess.pid });
    void this.#finishAfter(agentProcess);
  }

  prompt({ text, turnId }: { text: string; turnId: string }): void {
    const agentProcess = this.#running();
    if (this.#bootstrap.interactive) agentProcess.write(text);
    else handOver(agentProcess, text);
    const turn: OpenTurn = { id: turnId, startedAt: this.#host.now() };
    if (this.#bootstrap.interactive) {
      void this.#host.emit([{ event: resultEvent(turn, this.#result("success")) }]);
      return;
    }
    this.#turn = turn;
    this.#host.setStatus({ activity: "busy", turn_id: turnId });
    this.#resolvePrompted();
  }

  steer(steer: { text: string; turnId: string }): string {
    const running = this.#turn?.id;
    if (running === undefined && !this.#bootstrap.interactive) {
      this.prompt(steer);
      return steer.turnId;
    }
    this.#running().write(steer.text);
    const turnId = running ?? steer.turnId;
    const receipt: SessionEvent = {
      type: "progress",
      data: { turn_id: turnId, kind: "input_delivered", input: "steer" },
    };
    const turn: OpenTurn = { id: turnId, startedAt: this.#host.now() };
    const end = running === undefined ? [{ event: resultEvent(turn, this.#result("success")) }] : [];
    void this.#host.emit([{ event: receipt }, ...end]);
    return turnId;
  }

  interrupt({ reason, detail }: { reason: InterruptReason; detail?: string }): void {
    // Without an open turn, as an interactive command always is, most would end of a SIGINT, and with them a session that
    // nobody ended. An interrupt before the one prompt is the daemon's: it never gives that prompt.
    if (!this.#turn) return;
    this.#turn.interrupt ??= { reason, ...defined({ detail }) };
    this.#running().signal("SIGINT");
  }

  context(): void {
    throw new Error("context is not supported by a generic command");
  }

  mention(): void {
    throw new Error("mention is not supported by a generic command");
  }

  finish(): void {
    this.#resolvePrompted();
    this.#process?.endInput();
    // Its prompt was interrupted before it came: at the end of its input many a command goes on.
    if (!this.#turn && !this.#bootstrap.interactive) void this.stop("interrupted");
  }

  async stop(reason: string): Promise<void> {
    this.#stopReason ??= reason;
    this.#resolvePrompted();
    const agentProcess = this.#process;
    if (!agentProcess) return;
    const ask = () => {
      agentProcess.signal("SIGINT");
      agentProcess.endInput();
    };
    await agentProcess.stop([{ act: ask, waitMs: defaultStopWaits.interruptMs }]);
  }

  #running(): AgentProcess {
    if (!this.#process) throw new Error("the command has not been started");
    return this.#process;
  }

  async #finishAfter(agentProcess: AgentProcess): Promise<void> {
    const exit = await agentProcess.ended;
    // A quick command that reads nothing may be done before its prompt has come: what it printed is the answer to that.
    if (!this.#bootstrap.interactive) await this.#prompted;
    const turn = this.#turn;
    this.#turn = undefined;
    if (turn) await this.#host.emit([{ event: resultEvent(turn, this.#ending(turn, exit.code)) }]);
    const category = turn ? categoryOf(turn, exit) : this.#categoryWithoutTurn(exit);
    this.#resolveEnded({ ...exit, ...category, stderrTail: agentProcess.stderrTail });
  }

  /** One that was told to end before its prompt came has not crashed, whichever way it took that. */
  #categoryWithoutTurn({ code, signal }: Pick<AgentEnd, "code" | "signal">): Pick<AgentEnd, "category"> {
    const hasObeyed = this.#stopReason !== undefined && (signal !== undefined || code !== 0);
    return hasObeyed ? { category: "stopped" } : {};
  }

  #ending(turn: OpenTurn, code: number): TurnEnd {
    const { interrupt } = turn;
    if (interrupt?.reason === "limit") return { ...this.#result("limit"), reason: interrupt.detail ?? "limit" };
    if (this.#stopReason === "timeout") return { ...this.#result("limit"), reason: this.#stopReason };
    if (this.#stopReason !== undefined) return { ...this.#result("aborted"), reason: this.#stopReason };
    if (interrupt) return this.#result("interrupted");
    return this.#result(code === 0 ? "success" : "error");
  }

  #result(status: TurnStatus): TurnEnd {
    return { status, sessionId: this.#bootstrap.session_id, at: this.#host.now() };
  }
}

/** To a command that takes one prompt. One that has closed its input, or ended, wants none. */
function handOver(agentProcess: AgentProcess, text: string): void {
  try {
    agentProcess.write(text);
  } catch {
    // What became of it is told by its output and its code.
  }
  agentProcess.endInput();
}

/** A command that dies of our own SIGINT has not crashed. */
function categoryOf({ interrupt }: OpenTurn, { signal }: Pick<AgentEnd, "signal">): Pick<AgentEnd, "category"> {
  if (interrupt === undefined || signal !== "SIGINT") return {};
  return { category: interrupt.reason === "limit" ? "timeout" : "stopped" };
}

interface TurnEnd {
  status: TurnStatus;
  sessionId: string;
  at: number;
  reason?: string;
}

function resultEvent(turn: OpenTurn, end: TurnEnd): EventOf<"result"> {
  return {
    type: "result",
    data: {
      turn_id: turn.id,
      session_id: end.sessionId,
      status: end.status,
      cost_usd: null,
      duration_ms: end.at - turn.startedAt,
      num_turns: 1,
      usage: noUsage,
      ...(end.reason === undefined ? {} : { reason: end.reason }),
    },
  };
}

function outputsOf(stream: "stdout" | "stderr", batch: LineBatch): HarnessOutput[] {
  const outputs: HarnessOutput[] = batch.oversized ? [{ event: oversizedLineEvent(batch.oversized) }] : [];
  for (const text of batch.lines) {
    if (text !== "") outputs.push({ event: { type: stream, data: { text } }, raw: text });
  }
  return outputs;
}
