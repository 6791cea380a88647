/** A daemon to be attacked, with a session that works and a token of each scope. */
import { Scope } from "../../../src/protocol/access.ts";
import { type Daemon, type DaemonOptions, requests, startDaemon } from "../../support/start-daemon.ts";
import { call, type Reply } from "../routes.ts";

export const fixture = (name: string, ...args: string[]) => ({
  command: process.execPath,
  args: [new URL(`../../fixtures/agents/${name}.mjs`, import.meta.url).pathname, ...args],
});

export interface Asked {
  method?: string;
  path: string;
  isUpgrade?: boolean;
  headers?: Record<string, string>;
  /** Sent as JSON, unless it is text. */
  body?: unknown;
}

export class Ground {
  readonly daemon: Daemon;
  readonly tokens: Readonly<Record<Scope, string>>;
  /** A session that waits for prompts. */
  readonly id: string;

  private constructor(daemon: Daemon, tokens: Record<Scope, string>, id: string) {
    this.daemon = daemon;
    this.tokens = tokens;
    this.id = id;
  }

  static async open(options: DaemonOptions = {}): Promise<Ground> {
    const { agents = {}, ...config } = options.config ?? {};
    const daemon = await startDaemon({
      ...options,
      config: { ...config, agents: { echo: fixture("echo"), ...(agents as object) } },
    });
    const tokens = { read: "", write: "", admin: "" };
    for (const scope of Scope.options)
      tokens[scope] = (await daemon.post("/tokens", { name: `holder-${scope}`, scope })).body.token;
    const { body } = await daemon.post("/sessions", { agent: "echo", interactive: true });
    return new Ground(daemon, tokens, body.session_id);
  }

  /** As the holder of that scope. */
  as(scope: Scope) {
    return requests(this.daemon.url, this.tokens[scope]);
  }

  bearer(scope: Scope): { authorization: string } {
    return { authorization: `Bearer ${this.tokens[scope]}` };
  }

  /** Asks with no more than what is given. */
  ask({ method = "GET", path, isUpgrade = false, headers = {}, body }: Asked): Promise<Reply> {
    const text = body === undefined || typeof body === "string" ? body : JSON.stringify(body);
    const type = body === undefined || typeof body === "string" ? {} : { "content-type": "application/json" };
    return call(this.daemon.url, { method, path, isUpgrade }, { ...type, ...headers }, text);
  }

  /** What came of it, in the words of the table. */
  async outcome(asked: Asked): Promise<string> {
    return said(await this.ask(asked));
  }

  async close(): Promise<void> {
    await this.daemon.stop();
  }
}

export function said({ status, error }: { status: number; error: string | undefined }): string {
  return error === undefined ? `${status}` : `${status} \`${error}\``;
}

/** Of an answer of `requests`. */
export function answered({ status, body }: { status: number; body: { error?: string } | undefined }): string {
  return said({ status, error: body?.error });
}
