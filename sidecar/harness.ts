/** The contract that each agent driver meets. Types only. */
import type { ProcessIdentity } from "../src/process/identity.ts";
import type { Image } from "../src/protocol/agent-options.ts";
import type { ContextItem, InputAnswer, InterruptReason, MentionItem } from "../src/protocol/command.ts";
import type { ErrorCategory, SessionEvent } from "../src/protocol/event.ts";
import type { SidecarStatus } from "../src/protocol/link-frame.ts";
import type { PermissionMode } from "../src/protocol/session.ts";
import type { Redaction } from "./redact/redaction.ts";
import type { SandboxStart } from "./sandbox.ts";

/** An event and, when it came from one line of the agent, that line (kept with `keep_raw`). */
export interface HarnessOutput {
  event: SessionEvent;
  raw?: string;
}

/** What the agent is waiting for, as the watchdog sees it. */
export type Waiting =
  | { on: "nothing" }
  | { on: "model" }
  | { on: "tool"; names: string[] }
  | { on: "retry"; dueAt: number }
  | { on: "person" };

/** How the agent ended. Known once its output was read to the end. */
export interface AgentEnd {
  code: number;
  signal?: string;
  /** It was killed, and the kernel has killed for want of memory while it ran. */
  isOutOfMemory?: true;
  /** The last 8 KiB of stderr. */
  stderrTail: string;
  /** Why, when the harness knows from structured facts. */
  category?: ErrorCategory;
  /** A sentence for people; the stderr tail is used when it is missing. */
  detail?: string;
}

/** What a harness is given by the sidecar. */
export interface HarnessHost {
  /**
   * Takes the events of one read of the agent's pipe, in order. Resolves when they are stored (spool) and the
   * harness may read on; a harness awaits it once per read, never per event.
   */
  emit(outputs: readonly HarnessOutput[]): Promise<void>;
  /** Tells the daemon that the status changed. Ordered with the events emitted before it. */
  setStatus(change: Partial<SidecarStatus>): void;
  now(): number;
  /** What is emitted goes through it by itself; for what the harness keeps elsewhere. */
  readonly redaction: Redaction | undefined;
  /** Puts a sandbox around the command of a process of the agent's; absent where there is none. */
  readonly contain: ((start: SandboxStart) => string[]) | undefined;
  /** Processes of the session that are not the agent's: they go on when it ends, and are ended by the sidecar. */
  apart(): readonly ProcessIdentity[];
}

/**
 * One agent, from start to end. Commands never throw for what the agent does with them: what goes wrong later
 * shows as events. They throw an Error with a sentence for people when the command cannot be carried out at all.
 */
export interface Harness {
  /** The agent's own id of the conversation, once it is known. */
  readonly agentSessionId: string | undefined;
  readonly waiting: Waiting;
  /** Starts the agent. Rejects when it cannot be started (missing, not executable). */
  start(): Promise<void>;
  /** Starts a turn; called only while the status is idle, except by clients of a sidecar started by hand. */
  prompt(prompt: { text: string; turnId: string; images?: readonly Image[] }): void;
  /** Redirects the running turn; a prompt under `turnId` when none can be redirected. Returns the turn that took it. */
  steer(steer: { text: string; turnId: string }): string;
  interrupt(interrupt: { reason: InterruptReason; detail?: string }): void;
  /**
   * Answers an open question, which the harness then closes with `input_resolved {decision, by}`. Throws when there is
   * no such question. Harnesses that never ask have none. The sidecar does the rest for all of them (open-inputs.ts):
   * that the answer fits and is the first, expiry (a denial with `by: "timeout"`), `aborted` with the turn or the
   * agent, the status `awaiting_input`, and the watchdog's rest.
   */
  respond?(answer: InputAnswer & { requestId: string; by: string }): void;
  /** Holds from the next model request on; a harness whose agent cannot throws a sentence saying so. */
  setModel?(model: string): void;
  setPermissionMode?(mode: PermissionMode): void;
  context(item: ContextItem): void;
  mention(item: MentionItem): void;
  /** Nothing more will be asked: let the agent end by itself. */
  finish(): void;
  /** Asks, signals, forces; resolves when the agent and everything it started are gone. */
  stop(reason: string): Promise<void>;
  /**
   * Resolves after the agent has ended, everything it started is gone and every event it caused was emitted
   * (made-up tool results and the result of an open turn included). The sidecar then emits `exit`.
   */
  readonly ended: Promise<AgentEnd>;
}
