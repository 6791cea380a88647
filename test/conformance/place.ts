/** Where the suite's sessions run, and what the cases have to know of it. */
import type { TempDir } from "../support/temp-dir.ts";
import type { AgentEntry } from "./agent-under-test.ts";

export interface Place {
  /** By which the table in docs is found that says what comes of each case there. */
  readonly runtime: "local" | "docker";
  /** For the daemon's configuration. */
  readonly config: Readonly<Record<string, unknown>>;
  /** An agent's entry as it has to be there: its program is another file. */
  entry(name: string, entry: AgentEntry): Record<string, unknown>;
  /** The same agent behind a program of ours that adds lines. */
  injected(name: string, entry: AgentEntry, injector: { file: string; lines: string }): Record<string, unknown>;
  /** What each request asks for besides. */
  readonly request: Readonly<Record<string, unknown>>;
  /** The command of the tool server that the agent starts by itself. */
  readonly toolServer: readonly string[];
  /** A work dir that a session may write to; undefined is the daemon's to find. */
  ownDir(): Promise<TempDir | undefined>;
  /** A folder for sessions that share one. */
  workDir(): Promise<TempDir>;
  /** A path of this machine in a session's work dir, as its agent sees it. */
  inside(path: string): string;
  /** The address by which agents reach a service of this machine. */
  reach(service: "model" | "tools", url: string): Promise<string>;
  /** An address at which nobody answers. */
  nobody(): Promise<string>;
  close(): Promise<void>;
}
