/** What one session was asked and promised, as its clients saw it: what its log is held against. */
import type { Kept } from "./insistence.ts";
import type { Watcher } from "./watcher.ts";

export interface Tale {
  readonly id: string;
  readonly agent: string;
  /** Texts that were sent as prompts or steers, whatever became of them. */
  readonly sent: Set<string>;
  /** Turn ids that the daemon gave to prompts and steers, by text: those it must answer for. */
  readonly accepted: Map<string, string>;
  /** Prompts that were taken back, by turn id. */
  readonly withdrawn: Set<string>;
  /** Answers that count, by question. */
  readonly answers: Map<string, string>;
  /** Questions that were listed as open, at any time. */
  readonly listed: Set<string>;
  /** Those of them of which the log was seen to tell the end. */
  readonly closed: Set<string>;
  readonly watchers: Watcher[];
  /** What was answered to requests with a key. */
  readonly kept: Kept[];
  /** What was found wrong while it was used. */
  readonly faults: string[];
  /** The daemon said that it exists: by its answer, or by listing it afterwards. */
  isCreated: boolean;
  /** Its deletion was answered. */
  isDeleted: boolean;
  /** Its deletion was asked for. */
  isDeleteAsked: boolean;
  /** Somebody killed its sidecar: what the agent had said and the sidecar not taken in may be missing. */
  isSidecarKilled: boolean;
  /** What the spool of that sidecar held at its death, by count: all of it must be in the log. */
  spooledSeq: number;
  /** Somebody asked for its end at once. */
  isStopAsked: boolean;
  /** How it was listed when it had ended. */
  end: { status: string; exit_code?: number } | undefined;
  /** Its actor will ask nothing more of it. */
  isOver: boolean;
}

export function newTale(id: string, agent: string): Tale {
  return {
    id,
    agent,
    sent: new Set(),
    accepted: new Map(),
    withdrawn: new Set(),
    answers: new Map(),
    listed: new Set(),
    closed: new Set(),
    watchers: [],
    kept: [],
    faults: [],
    isCreated: false,
    isDeleted: false,
    isDeleteAsked: false,
    isSidecarKilled: false,
    spooledSeq: 0,
    isStopAsked: false,
    end: undefined,
    isOver: false,
  };
}
