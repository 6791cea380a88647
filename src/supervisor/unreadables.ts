/**
 * Sessions that the start could not read: a damaged record, a log that is none, a sidecar of another version, a runtime that
 * did not answer. What lives of them goes on by itself; they are listed, so that somebody knows, and can be ended.
 */
import { AgentdError } from "../protocol/error.ts";
import { type SessionSpec, SessionStatus } from "../protocol/session.ts";
import { sessionHome } from "../session/home.ts";
import type { SessionRow } from "../store/store.ts";
import type { Context } from "./context.ts";
import { rowOfLog, unknownRow } from "./log-row.ts";

export interface Unreadable {
  /** What is known of it: as the index has it, or else its log. */
  row: SessionRow;
  reason: string;
  /** Where its record can be read. */
  spec: SessionSpec | undefined;
  /** As its runtime knows; it may be, as long as that cannot be asked. */
  isAlive: boolean;
}

export class Unreadables {
  readonly #all = new Map<string, Unreadable>();
  /** Ends under way: whoever asks a second time waits for the first. */
  readonly #ends = new Map<string, Promise<boolean>>();
  /** What is done with them meanwhile: whoever ends one waits for that. */
  readonly #acts = new Map<string, Promise<void>>();

  add(unreadable: Unreadable): void {
    this.#all.set(unreadable.row.id, unreadable);
  }

  /** In no order. */
  all(): Unreadable[] {
    return [...this.#all.values()];
  }

  ids(): string[] {
    return [...this.#all.keys()];
  }

  has(id: string): boolean {
    return this.#all.has(id);
  }

  /** By id or name. */
  find(ref: string): Unreadable | undefined {
    return this.#all.get(ref) ?? this.all().find(({ row }) => row.name === ref);
  }

  /** It could be read after all. */
  drop(id: string): void {
    this.#all.delete(id);
  }

  /** Not when it is gone from here, or about to be. One such act at a time. */
  async during(id: string, act: () => Promise<void>): Promise<void> {
    if (!this.#all.has(id) || this.#ends.has(id)) return;
    const own = act().finally(() => this.#acts.delete(id));
    this.#acts.set(id, own);
    await own;
  }

  /** It stays when the act rejects. Resolves with false, without the act, when meanwhile it could be read. */
  end(id: string, act: () => Promise<void>): Promise<boolean> {
    const end = this.#ends.get(id) ?? this.#end(id, act).finally(() => this.#ends.delete(id));
    this.#ends.set(id, end);
    return end;
  }

  async #end(id: string, act: () => Promise<void>): Promise<boolean> {
    await this.#acts.get(id)?.catch(() => undefined);
    if (!this.#all.has(id)) return false;
    await act();
    this.#all.delete(id);
    return true;
  }
}

/** What of it can be told without its record. */
export async function unreadableRow(
  { config, store }: Pick<Context, "config" | "store">,
  id: string,
): Promise<SessionRow> {
  const known = await store.sessions.byId(id);
  const row = known ?? (await rowOfLog(id, sessionHome(config.dataDir, id).log, "live").catch(() => unknownRow(id)));
  const { success: isOurs, data: status } = SessionStatus.safeParse(row.status);
  const hasEnded = !known && isOurs && (status === "completed" || status === "failed");
  // Nobody has taken it over, and nobody knows better.
  return hasEnded ? { ...row, standing: "ended" } : { ...row, standing: "live", status: "orphaned", ended_at: null };
}

export function unreadableFault({ row, reason }: Unreadable): AgentdError {
  return new AgentdError(
    "session_unreadable",
    `Cannot use session "${row.id}": the daemon could not read it when it started: ${reason}. Mend that and restart the daemon, or delete the session (agentd rm): its processes end, its folder stays`,
  );
}
