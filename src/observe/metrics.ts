/**
 * The daemon's figures for Prometheus. Labels are agents, words of closed lists and nothing else: never a session's
 * id, which would make a series a session. What can be read is read when somebody asks; the rest counts life events,
 * never bytes or deltas.
 */
import { Counter, Gauge, Histogram, Registry } from "prom-client";
import type { SessionWatch } from "../session/watch.ts";
import { watchEventLoop } from "./event-loop.ts";
import { addLifeFigures, startSeconds } from "./life-figures.ts";
import { addProcessFigures } from "./process-figures.ts";
import { addSessionFigures } from "./session-figures.ts";
import { addTurnFigures } from "./turn-figures.ts";

/** What the daemon starts anew by itself when it ends without having been told to. */
export type Restarted = "keeper" | "proxy" | "ready_sidecar";

export interface MetricsOptions {
  version: string;
  /** How far each client is behind the end of its session's log, in bytes. */
  clientLags(): readonly number[];
  /** What waits for all clients together. */
  clientBytes(): number;
  /** Diagnostics that were dropped. */
  droppedLines(): number;
  /** Spans that were handed to the exporter, and those that were dropped. */
  spans(): { exported: number; dropped: number };
}

export interface Metrics {
  readonly watch: SessionWatch;
  readonly registry: Registry;
  /** A sidecar came up, or did not. */
  launched(launch: { runtime: string; seconds: number; failed: boolean }): void;
  /** A request or frame was answered with an error. */
  refused(code: string): void;
  restarted(what: Restarted): void;
  close(): void;
}

const lagSeconds = [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5];

export function createMetrics(options: MetricsOptions): Metrics {
  const registry = new Registry();
  const registers = [registry];
  const turns = addTurnFigures(registry);
  const life = addLifeFigures(registry);
  const launch = new Histogram({
    name: "agentruntime_launch_seconds",
    help: "From the wish for a sidecar to its answer.",
    labelNames: ["runtime"],
    buckets: startSeconds,
    registers,
  });
  const launchFailures = new Counter({
    name: "agentruntime_launch_failures_total",
    help: "Sidecars that did not come up.",
    labelNames: ["runtime"],
    registers,
  });
  const refused = new Counter({
    name: "agentruntime_requests_refused_total",
    help: "Requests and frames that were answered with an error, by its code.",
    labelNames: ["code"],
    registers,
  });
  const restarts = new Counter({
    name: "agentruntime_restarts_total",
    help: "What had ended by itself and was started anew: keeper, proxy, ready_sidecar.",
    labelNames: ["what"],
    registers,
  });
  const loopLag = new Histogram({
    name: "agentruntime_event_loop_lag_seconds",
    help: "How late the daemon's timers were, looked at twice a second.",
    buckets: lagSeconds,
    registers,
  });
  new Gauge({
    name: "agentruntime_build_info",
    help: "Always 1; the labels say what runs.",
    labelNames: ["version", "node"],
    registers,
  }).set({ version: options.version, node: process.version }, 1);
  addSessionFigures(registry, life.look);
  addClientFigures(registry, options);
  addOwnFigures(registry, options);
  addProcessFigures(registry);
  const loop = watchEventLoop((seconds) => loopLag.observe(seconds));
  return {
    registry,
    watch: { ...life.watch, told: (session, event) => turns.told(session.spec.agent, event) },
    launched: ({ runtime, seconds, failed }) => {
      if (failed) launchFailures.inc({ runtime });
      else launch.observe({ runtime }, seconds);
    },
    refused: (code) => refused.inc({ code }),
    restarted: (what) => restarts.inc({ what }),
    close: () => loop.stop(),
  };
}

const quantiles = [0.5, 0.9, 0.99, 1];

function addClientFigures(registry: Registry, { clientLags, clientBytes }: MetricsOptions): void {
  const registers = [registry];
  new Gauge({
    name: "agentruntime_clients",
    help: "Connected clients.",
    registers,
    collect() {
      this.set(clientLags().length);
    },
  });
  new Gauge({
    name: "agentruntime_client_lag_bytes",
    help: "How far clients are behind the ends of their logs; `1` is the slowest.",
    labelNames: ["quantile"],
    registers,
    collect() {
      const lags = [...clientLags()].sort((a, b) => a - b);
      for (const quantile of quantiles)
        this.set({ quantile }, lags[Math.max(0, Math.ceil(quantile * lags.length) - 1)] ?? 0);
    },
  });
  new Gauge({
    name: "agentruntime_client_waiting_bytes",
    help: "What clients have been sent and have not taken, of all together.",
    registers,
    collect() {
      this.set(clientBytes());
    },
  });
}

/** What the daemon's own diagnostics and traces have come to. */
function addOwnFigures(registry: Registry, { droppedLines, spans }: MetricsOptions): void {
  const registers = [registry];
  const counter = (name: string, help: string, count: () => number) => {
    let counted = 0;
    new Counter({
      name,
      help,
      registers,
      collect() {
        const now = count();
        this.inc(Math.max(0, now - counted));
        counted = now;
      },
    });
  };
  counter(
    "agentruntime_log_lines_dropped_total",
    "Own diagnostics that were dropped: nobody read stderr.",
    droppedLines,
  );
  counter("agentruntime_spans_exported_total", "Spans that the collector took.", () => spans().exported);
  counter(
    "agentruntime_spans_dropped_total",
    "Spans that were dropped: the collector did not take them.",
    () => spans().dropped,
  );
}
