/** Every refusal of the proxy in one bounded file, and in the session that it belongs to. */
import { createReadStream } from "node:fs";
import { appendFile, rename, stat } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { defined } from "../protocol/defined.ts";
import { type Denial, noHost } from "../protocol/egress.ts";
import { errnoOf } from "../protocol/error.ts";
import type { SessionEvent } from "../protocol/event.ts";
import { EgressEntry } from "../protocol/http.ts";

export interface EgressLogOptions {
  dataDir: string;
  /** Undefined when there is no such session any more. */
  appendTo(sessionId: string, event: SessionEvent): Promise<void> | undefined;
  onFault(error: unknown): void;
}

const fileBytesMax = 8 * 1024 * 1024;
/** The same again within this time is counted, not told: an agent in a loop must not fill its session's log. */
const repeatMs = 10_000;
const remembered = 1000;

export class EgressLog {
  readonly #options: EgressLogOptions;
  readonly #path: string;
  /** When a refusal was last told, and how often it came since. */
  readonly #told = new Map<string, { at: number; since: number }>();
  /** Until the sessions of an earlier daemon are here, what concerns them has to wait. */
  #waiting: [string, Denial][] | undefined = [];
  #writing: Promise<void> = Promise.resolve();

  constructor(options: EgressLogOptions) {
    this.#options = options;
    this.#path = egressLogPath(options.dataDir);
  }

  begin(): void {
    const waiting = this.#waiting ?? [];
    this.#waiting = undefined;
    for (const [sessionId, denial] of waiting) this.note(sessionId, denial);
  }

  /** A session of an earlier daemon is here: what waited for it comes before its own next words. */
  tell(sessionId: string): void {
    const waiting = this.#waiting ?? [];
    this.#waiting = this.#waiting && waiting.filter(([id]) => id !== sessionId);
    for (const [id, denial] of waiting) if (id === sessionId) this.#record(id, denial);
  }

  note(sessionId: string, denial: Denial): void {
    if (this.#waiting) {
      if (this.#waiting.length < remembered) this.#waiting.push([sessionId, denial]);
      return;
    }
    this.#record(sessionId, denial);
  }

  #record(sessionId: string, denial: Denial): void {
    const repeated = this.#countRepeat(sessionId, denial);
    if (repeated === undefined) return;
    const extra = defined({ repeated: repeated > 0 ? repeated : undefined });
    this.#writing = this.#writing
      .then(() => this.#write({ session_id: sessionId, ...denial, ...extra }))
      .catch(this.#options.onFault);
    const { at: _at, verdict, ...facts } = denial;
    const subtype = verdict === "audited" ? "egress_audited" : "egress_denied";
    this.#options
      .appendTo(sessionId, { type: "system", data: { subtype, ...facts, ...extra, message: sentenceOf(denial) } })
      ?.catch(() => {
        // It has ended: the file has it.
      });
  }

  /** The newest entries, oldest first. */
  async read(filter: { sessionId?: string | undefined; limit: number }): Promise<EgressEntry[]> {
    await this.#writing;
    const kept: EgressEntry[] = [];
    for (const path of [`${this.#path}.1`, this.#path]) {
      for await (const entry of entriesIn(path)) {
        if (filter.sessionId !== undefined && entry.session_id !== filter.sessionId) continue;
        kept.push(entry);
        if (kept.length > filter.limit) kept.shift();
      }
    }
    return kept;
  }

  /** Undefined for what need not be told; otherwise how often it came since it last was. */
  #countRepeat(sessionId: string, { host, port, reason, at }: Denial): number | undefined {
    const key = JSON.stringify([sessionId, host, port, reason]);
    const told = this.#told.get(key);
    if (told && at - told.at < repeatMs) {
      told.since += 1;
      return undefined;
    }
    this.#told.delete(key);
    this.#told.set(key, { at, since: 0 });
    const [oldest] = this.#told.keys();
    if (this.#told.size > remembered && oldest !== undefined) this.#told.delete(oldest);
    return told?.since ?? 0;
  }

  async #write(entry: EgressEntry): Promise<void> {
    const bytes = await stat(this.#path).then(
      ({ size }) => size,
      () => 0,
    );
    if (bytes > fileBytesMax) await rename(this.#path, `${this.#path}.1`);
    await appendFile(this.#path, `${JSON.stringify(entry)}\n`, { mode: 0o600 });
  }
}

export function egressLogPath(dataDir: string): string {
  return join(dataDir, "egress.ndjson");
}

/** When the last refusal was told: what the proxy said before is known. */
export async function lastDenialAt(dataDir: string): Promise<number> {
  let last = 0;
  for await (const { at } of entriesIn(egressLogPath(dataDir))) last = Math.max(last, at);
  return last;
}

async function* entriesIn(path: string): AsyncGenerator<EgressEntry> {
  try {
    for await (const line of createInterface({ input: createReadStream(path) })) {
      const parsed = EgressEntry.safeParse(parseJson(line));
      // A line that a full disk cut tells of nothing.
      if (parsed.success) yield parsed.data;
    }
  } catch (error) {
    if (errnoOf(error) !== "ENOENT") throw error;
  }
}

function parseJson(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}

function sentenceOf({ host, port, reason, sni, verdict }: Denial): string {
  const what = `${host}:${port}`;
  if (verdict === "audited") return `The session reached ${what}, which is on no list of names (egress.mode is audit).`;
  switch (reason) {
    case "name":
      return `The session may not reach ${what}: the name is on no list. The operator can add it to egress.allow.`;
    case "port":
      return `The session may not reach ${what}: only port 443 is open.`;
    case "method":
      if (host === noHost) return "The session sent its proxy bytes that are no request: only TLS tunnels are open.";
      return `The session may not reach ${what} in clear text: only TLS tunnels are open.`;
    case "literal":
      return `The session may not reach ${what}: it is no name of a host.`;
    case "range":
      return `The session may not reach ${what}: the name resolves to an address that is not public.`;
    case "sni":
      return `The session's tunnel to ${what} was cut: its TLS hello asked for ${sni ?? "something else"}.`;
    case "sni_missing":
      return `The session's tunnel to ${what} was cut: what came was no TLS hello with a name.`;
    case "unknown_session":
      return `The session may not reach ${what}: its proxy has no policy for it.`;
    case "host_service":
      return `The session may not reach ${what} any more: the operator has taken it off egress.host_services.`;
    case "upstream":
      return `The session does not reach ${what}: the proxy of the network (egress.upstream_proxy) made no tunnel.`;
    default:
      return reason satisfies never;
  }
}
