/** What chats are given. */
import type { Config } from "../config.ts";
import type { ChatBook } from "../store/store.ts";
import type { Log } from "../supervisor/context.ts";
import type { Supervisor } from "../supervisor/supervisor.ts";

export interface ChatsOptions {
  supervisor: Supervisor;
  book: ChatBook;
  config: Pick<Config, "agents" | "runtime" | "limits">;
  dataDir: string;
  logPathOf(sessionId: string): string;
  log: Log;
}
