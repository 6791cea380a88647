/** What one chat was asked and promised, as who talks in it saw it: what its sessions' logs are held against. */
import type { Answer, Call } from "./caller.ts";
import type { Kept } from "./insistence.ts";

export interface ChatTale {
  readonly name: string;
  /** All texts that were sent, whatever became of them. */
  readonly sent: Set<string>;
  /** The session that the daemon named for a message, by text: those it must answer for. */
  readonly accepted: Map<string, string>;
  /** Texts of which the daemon said that it does not take them. */
  readonly refused: Set<string>;
  /** Messages with a key that no daemon had answered when the accidents ended. */
  readonly unanswered: { call: Call & { key: string }; text: string }[];
  readonly kept: Kept[];
  readonly faults: string[];
  /** The chat and what was said in it, as they were told when nothing went on any more. */
  end: { chain: string[]; replaced: Record<string, string>; said: ChatLine[] } | undefined;
}

/** One of `GET /chats/:name/messages`. */
export interface ChatLine {
  session_id: string;
  type: string;
  data: Record<string, unknown>;
}

export function newChatTale(name: string): ChatTale {
  return {
    name,
    sent: new Set(),
    accepted: new Map(),
    refused: new Set(),
    unanswered: [],
    kept: [],
    faults: [],
    end: undefined,
  };
}

/** Writes down what was answered to a message; undefined is no answer. */
export function noteAnswer(chat: ChatTale, text: string, answer: Answer | undefined): void {
  if (answer?.status === 202) chat.accepted.set(text, String(answer.body.next_session ?? answer.body.session_id));
  // Whether it was done is not known of `outcome_unknown`, and of what broke.
  else if (
    answer &&
    (answer.status < 500 || answer.body?.error === "disk_full") &&
    answer.body?.error !== "outcome_unknown"
  )
    chat.refused.add(text);
}
