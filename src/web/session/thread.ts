/** What a conversation in the page is fed by: a session's log, or a chat's history. */
import type { Signal } from "@preact/signals";
import type { Conversation } from "./conversation.ts";
import type { Faults } from "./faults.ts";
import type { LineReader } from "./line-reader.ts";

export interface Thread {
  readonly conversation: Conversation;
  readonly reader: LineReader;
  /** Counts what is to be drawn. */
  readonly version: Signal<number>;
  readonly faults: Faults;
  /** Somebody comes near to the first that was read: what stands before it is read, if there is any. */
  wantEarlier(): void;
  /** Key of the next item with these words. Absent where nobody can search. */
  search?(words: string, signal: AbortSignal): Promise<number | undefined>;
}
