/** A daemon whose agent is the counting stand-in for Claude Code: fast, numbered, and with a journal of its own. */
import { mkdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { LogCheck } from "../tools/log-check.ts";
import type { LoggedEvent } from "./client-socket.ts";
import { eventually } from "./eventually.ts";
import { type Daemon, type DaemonOptions, startDaemon } from "./start-daemon.ts";
import { type TempDir, tempDir } from "./temp-dir.ts";

export interface CountsDaemon {
  /** The one that serves now. */
  daemon: Daemon;
  readonly journalDir: string;
  create(request?: Record<string, unknown>): Promise<string>;
  dirOf(id: string): string;
  /** What is in the log file, whoever serves it. */
  events(id: string): LoggedEvent[];
  /** Resolves with the log once `enough` holds for it; by default once it has its exit. */
  until(id: string, enough?: (events: readonly LoggedEvent[]) => boolean): Promise<LoggedEvent[]>;
  faultsOf(id: string): unknown[];
  sidecarPid(id: string): number;
  restart(args?: readonly string[], more?: Pick<DaemonOptions, "nodeArgs" | "env">): Promise<void>;
  stop(): Promise<void>;
}

const agent = fileURLToPath(new URL("../fixtures/agents/claude-counts.mjs", import.meta.url));

export async function startCountsDaemon(options: { dataDir?: string } = {}): Promise<CountsDaemon> {
  const dir: TempDir = await tempDir();
  const dataDir = options.dataDir ?? join(dir.path, "data");
  const journalDir = join(dir.path, "journals");
  mkdirSync(journalDir);
  const config = { agents: { counts: { harness: "claude", command: agent, env: { COUNTS_JOURNAL: journalDir } } } };
  const dirOf = (id: string) => join(dataDir, "sessions", id);
  const counts: CountsDaemon = {
    daemon: await startDaemon({ dataDir, config }),
    journalDir,
    create: async (request = {}) => {
      const { status, body, text } = await counts.daemon.post("/sessions", {
        agent: "counts",
        interactive: true,
        ...request,
      });
      if (status !== 201) throw new Error(`no session: ${status} ${text}`);
      return String(body.session_id);
    },
    dirOf,
    events: (id) =>
      readFileSync(join(dirOf(id), "events.ndjson"), "utf8")
        .split("\n")
        .slice(0, -1)
        .map((line) => JSON.parse(line)),
    until: (id, enough = (events) => events.some(({ type }) => type === "exit")) =>
      eventually(
        () => {
          const events = counts.events(id);
          return enough(events) ? events : undefined;
        },
        { deadlineMs: 30_000, what: `enough in the log of ${id}` },
      ),
    faultsOf: (id) => {
      const check = new LogCheck();
      check.push(readFileSync(join(dirOf(id), "events.ndjson")));
      return check.end().faults;
    },
    sidecarPid: (id) => Number(JSON.parse(readFileSync(join(dirOf(id), "sidecar.json"), "utf8")).pid),
    restart: async (args = [], more = {}) => {
      counts.daemon = await startDaemon({ dataDir, args, ...more });
    },
    stop: async () => {
      await counts.daemon.stop();
      await dir.remove();
    },
  };
  if (dirname(dataDir) !== dir.path) mkdirSync(dataDir, { recursive: true });
  return counts;
}
