/** The live sessions as they are when somebody asks. */
import { Gauge, type Registry } from "prom-client";
import { spoolBytesOf } from "../process/spool-reader.ts";
import { statusOf } from "../session/lifecycle.ts";
import type { Session } from "../session/session.ts";

export function addSessionFigures(registry: Registry, live: () => Session[]): void {
  const registers = [registry];
  // First of all: looking counts what the logs have grown by.
  new Gauge({
    name: "agentruntime_sessions",
    help: "Live sessions, by what their status is.",
    labelNames: ["agent", "status"],
    registers,
    collect() {
      this.reset();
      for (const { spec, state } of live()) this.inc({ agent: spec.agent, status: statusOf(state) });
    },
  });
  const gauge = (name: string, help: string, sum: (sessions: Session[]) => number | Promise<number>) =>
    new Gauge({
      name,
      help,
      registers,
      async collect() {
        this.set(await sum(live()));
      },
    });
  gauge(
    "agentruntime_sessions_awaiting_input",
    "Live sessions in which a person is awaited.",
    (sessions) => sessions.filter(({ inputs }) => inputs.open.length > 0).length,
  );
  gauge(
    "agentruntime_sessions_paused",
    "Live sessions that wait for room on the disk.",
    (sessions) => sessions.filter(({ isPaused }) => isPaused).length,
  );
  gauge("agentruntime_pending_bytes", "Log bytes on their way into files, of all sessions.", (sessions) =>
    sessions.reduce((sum, { pendingBytes }) => sum + pendingBytes, 0),
  );
  gauge("agentruntime_pending_bytes_max", "The same, of the session that has most.", (sessions) =>
    sessions.reduce((max, { pendingBytes }) => Math.max(max, pendingBytes), 0),
  );
  gauge("agentruntime_spool_bytes", "What sidecars keep on disk until it is in the log.", async (sessions) => {
    let sum = 0;
    for (const { home } of sessions) sum += await spoolBytesOf(home.dir);
    return sum;
  });
}
