/**
 * Logins of persons in containers, where the agent may know its token: each session gets a file with the token alone, which
 * is renewed here for all of them, and goes with the session.
 */
import { chmod, mkdir, rename, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import type { Config } from "../config.ts";
import { freshLogin, type Login, type LoginSource } from "../keeper/login.ts";
import { forSession } from "../keeper/login-file.ts";
import { dispatcherFor } from "../keeper/outwards.ts";
import { AgentdError, isDiskFull, messageOf } from "../protocol/error.ts";
import type { SessionSpec } from "../protocol/session.ts";
import type { Place } from "../runtime/runtime.ts";
import { loginSourceOf } from "./login-source.ts";
import { outwardsOf } from "./outwards.ts";

export interface LoginsOptions {
  /** As it is now. */
  config(): Config;
  placeOf(spec: SessionSpec): Place;
  onFault(message: string, sessionId: string): void;
}

/** How often the files of live sessions are looked after: well within what a token is renewed ahead of its end. */
const lookEveryMs = 60_000;

interface Served {
  source: LoginSource;
  path: string;
  written: string;
}

export class Logins {
  readonly #options: LoginsOptions;
  readonly #served = new Map<string, Served>();
  /** One at a time for a login; those that come meanwhile get the same. */
  readonly #asking = new Map<string, Promise<Login>>();
  /** What was last found wrong with a login: it is looked at every minute, and told once. */
  readonly #told = new Map<string, string>();
  #timer: NodeJS.Timeout | undefined;

  constructor(options: LoginsOptions) {
    this.#options = options;
  }

  /** Which login the agent's file is made of; undefined where it has a key, or does not see its token. */
  sourceOf({ agent }: SessionSpec): LoginSource | undefined {
    const settings = this.#options.config().agents[agent];
    return settings && !settings.hide_key ? loginSourceOf(agent, settings) : undefined;
  }

  /** Rejects with `launch_failed` when the login does not hold, or its agent cannot have it here. */
  async serve(spec: SessionSpec): Promise<void> {
    const served = this.#servedFor(spec);
    if (!served) return;
    try {
      await this.#write(served, spec.session_id);
    } catch (error) {
      throw new AgentdError("launch_failed", messageOf(error), { cause: error });
    }
    this.#lookAfter(spec, served);
  }

  /** The same for a session of an earlier daemon: it keeps what it has until there is something newer, and nobody waits for that. */
  serveOn(spec: SessionSpec): void {
    this.#resume(spec).catch((error: unknown) => this.#tell(messageOf(error), spec.session_id));
  }

  async #resume(spec: SessionSpec): Promise<void> {
    const served = this.#servedFor(spec);
    if (!served) return;
    this.#lookAfter(spec, served);
    await this.#write(served, spec.session_id);
  }

  #servedFor(spec: SessionSpec): Served | undefined {
    const source = this.sourceOf(spec);
    const file = this.#options.placeOf(spec).loginFile;
    return source && file && { source, path: file.path, written: "" };
  }

  #lookAfter({ session_id }: SessionSpec, served: Served): void {
    this.#served.set(session_id, served);
    this.#timer ??= setInterval(() => void this.#renewAll(), lookEveryMs).unref();
  }

  forget(sessionId: string): void {
    this.#served.delete(sessionId);
    this.#told.delete(sessionId);
    if (this.#served.size === 0) this.close();
  }

  close(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  async #renewAll(): Promise<void> {
    for (const [id, served] of this.#served)
      await this.#write(served, id).catch((error: unknown) => this.#tell(messageOf(error), id));
  }

  #tell(fault: string | undefined, sessionId: string): void {
    if (fault !== undefined && fault !== this.#told.get(sessionId)) this.#options.onFault(fault, sessionId);
    if (fault === undefined) this.#told.delete(sessionId);
    else this.#told.set(sessionId, fault);
  }

  /** What the session has stays until it can have what is newer. */
  async #write(served: Served, sessionId: string): Promise<void> {
    const { text, fault } = await this.#current(served.source);
    if (text !== served.written) await this.#handOver(served, text).catch((error: unknown) => refuse(served, error));
    this.#tell(fault, sessionId);
  }

  async #handOver(served: Served, text: string): Promise<void> {
    const folder = dirname(served.path);
    await mkdir(folder, { recursive: true });
    // It is behind the session's own folder, which nobody else may enter.
    await chmod(folder, 0o711);
    const draft = `${served.path}.new`;
    await writeFile(draft, forSession(served.source, text), { mode: 0o644 });
    await chmod(draft, 0o644);
    await rename(draft, served.path);
    served.written = text;
  }

  #current(source: LoginSource): Promise<Login> {
    const asked = this.#asking.get(source.path);
    if (asked) return asked;
    const asking = ask(source, this.#options.config()).finally(() => this.#asking.delete(source.path));
    this.#asking.set(source.path, asking);
    return asking;
  }
}

function refuse({ source, path }: Served, error: unknown): never {
  const found = isDiskFull(error) ? "the disk of the data dir is full. Make room" : messageOf(error);
  throw new Error(`Cannot hand the login in "${source.path}" to a session as "${path}": ${found}`, { cause: error });
}

async function ask(source: LoginSource, config: Config): Promise<Login> {
  const dispatcher = dispatcherFor(await outwardsOf(config));
  try {
    return await freshLogin(source, { dispatcher });
  } finally {
    await dispatcher.close();
  }
}
