/** The tables, as the query builder knows them. */
import type { ChatRow, ChatStep, SessionRow, TokenRow } from "./store.ts";

export interface Tables {
  /** One row, or none. */
  owner: { data_dir_id: string };
  sessions: SessionColumns;
  session_tags: { session_id: string; key: string; value: string };
  tokens: TokenRow;
  /** `config` is JSON. */
  chats: Omit<ChatRow, "config"> & { config: string };
  /** `fault` is JSON. */
  chat_steps: Omit<ChatStep, "fault"> & { fault: string | null };
  answers: {
    scope: string;
    key: string;
    body_hash: string;
    /** JSON. */
    intent: string;
    claimed_at: number;
    /** Null until the request was carried out. */
    status: number | null;
    /** JSON. */
    body: string | null;
  };
}

/** Tags stand here as JSON too: a list shows them without a second query. */
export type SessionColumns = Omit<SessionRow, "interactive" | "tags"> & { interactive: number; tags: string };
