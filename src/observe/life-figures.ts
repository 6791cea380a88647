/** How sessions come and go, and what their logs have grown by. */
import { Counter, Histogram, type Registry } from "prom-client";
import type { Session } from "../session/session.ts";
import type { SessionWatch } from "../session/watch.ts";
import { LiveSessions } from "./growth.ts";

export interface LifeFigures {
  watch: Omit<SessionWatch, "told">;
  /** Brings the counters up to date; the sessions that are live. */
  look(): Session[];
}

/** Bounds for whatever has to start. */
export const startSeconds = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];

export function addLifeFigures(registry: Registry): LifeFigures {
  const registers = [registry];
  const events = new Counter({
    name: "agentruntime_events_total",
    help: "Lines that were written to logs.",
    labelNames: ["agent"],
    registers,
    collect: () => void live.look(),
  });
  const bytes = new Counter({
    name: "agentruntime_log_bytes_total",
    help: "Bytes that were written to logs.",
    labelNames: ["agent"],
    registers,
  });
  const live = new LiveSessions((growth) => {
    events.inc({ agent: growth.agent }, growth.events);
    bytes.inc({ agent: growth.agent }, growth.bytes);
  });
  const started = new Counter({
    name: "agentruntime_sessions_started_total",
    help: "Sessions that this daemon started.",
    labelNames: ["agent"],
    registers,
  });
  const adopted = new Counter({
    name: "agentruntime_sessions_adopted_total",
    help: "Live sessions of an earlier daemon that this one took over, also those whose sidecar was gone.",
    labelNames: ["agent"],
    registers,
  });
  const ended = new Counter({
    name: "agentruntime_sessions_ended_total",
    help: "Sessions that ended, by why.",
    labelNames: ["agent", "end_reason"],
    registers,
  });
  const firstEvent = new Histogram({
    name: "agentruntime_first_event_seconds",
    help: "From the request for a session to the first line of its sidecar.",
    labelNames: ["agent"],
    buckets: startSeconds,
    registers,
  });
  return {
    watch: {
      opened: (session) => live.add(session),
      launched: ({ spec: { agent } }, { isAdopted }) => (isAdopted ? adopted : started).inc({ agent }),
      begun: ({ spec: { agent, created_at } }) =>
        firstEvent.observe({ agent }, Math.max(0, Date.now() - created_at) / 1000),
      // How many wait is looked up when it is asked.
      paused: () => undefined,
      ended: (session) => {
        live.remove(session);
        if (session.state.at === "ended") ended.inc({ agent: session.spec.agent, end_reason: session.state.reason });
      },
      released: (session) => live.remove(session),
    },
    look: () => live.look(),
  };
}
