/** Logs, figures and traces of one daemon, put together. Nothing here is reached from anywhere but where it is handed to. */
import type { Config } from "../config.ts";
import { messageOf } from "../protocol/error.ts";
import { isSecretName } from "../protocol/secrets.ts";
import type { SessionWatch } from "../session/watch.ts";
import { createLogger, type Fields, type Level } from "./logger.ts";
import { createMetrics, type Metrics, type MetricsOptions } from "./metrics.ts";
import type { SpanSink } from "./otlp.ts";
import { createSessionLog } from "./session-log.ts";
import { watchSpans } from "./spans.ts";
import { openStderr } from "./stderr.ts";

export interface ObserverOptions {
  config: Config;
  version: string;
  /** What clients must send. */
  token: string;
  clientLags(): readonly number[];
  clientBytes(): number;
}

export interface Observer {
  readonly watch: SessionWatch;
  log(level: Level, message: string, fields?: Fields): void;
  /** From now on this is a secret too. */
  hide(secret: string): void;
  /** A sentence for whoever reads stderr; like a diagnostic, it waits for nobody. */
  note(sentence: string): void;
  /** A sidecar came up, or did not. */
  launched(launch: { runtime: string; seconds: number; failed: boolean }): void;
  refused(code: string): void;
  readonly restarted: Metrics["restarted"];
  /** The figures, as Prometheus reads them. */
  scrape(): Promise<{ type: string; text: string }>;
  /** Sends what waits, but not for long. */
  close(): Promise<void>;
}

/** How long a daemon that leaves waits for its collector. */
const lastSpansMs = 500;

export async function createObserver(given: ObserverOptions): Promise<Observer> {
  const { config, version, token, clientLags, clientBytes } = given;
  const stderr = openStderr();
  const logger = createLogger({
    level: config.log_level,
    secrets: [token, ...secretsOf(config)],
    destination: stderr,
  });
  const sessions = createSessionLog(logger);
  const spans = await openSpans(config, version, sessions.log);
  const options: MetricsOptions = {
    version,
    clientLags,
    clientBytes,
    droppedLines: () => stderr.dropped,
    spans: () => ({ exported: spans?.exported ?? 0, dropped: spans?.dropped ?? 0 }),
  };
  const metrics = createMetrics(options);
  const watches = [sessions.watch, metrics.watch, ...(spans ? [watchSpans((span) => spans.push(span))] : [])];
  return {
    watch: together(watches, (error) => sessions.log("error", "a look at a session failed", { error })),
    log: sessions.log,
    hide: logger.hide,
    note: (sentence) => stderr.write(`${sentence}\n`),
    launched: metrics.launched,
    refused: metrics.refused,
    restarted: metrics.restarted,
    scrape: async () => ({ type: metrics.registry.contentType, text: await metrics.registry.metrics() }),
    close: async () => {
      metrics.close();
      if (spans) await Promise.race([spans.close().catch(() => undefined), deadline(lastSpansMs)]);
      await stderr.flush();
    },
  };
}

async function openSpans(config: Config, version: string, log: Observer["log"]): Promise<SpanSink | undefined> {
  if (config.otlpTracesUrl === undefined) return undefined;
  const { openOtlp } = await import("./otlp.ts");
  return openOtlp({
    url: config.otlpTracesUrl,
    serviceName: config.environment["OTEL_SERVICE_NAME"] || "agentd",
    version,
    onState: ({ ok, error }) =>
      ok
        ? log("info", "the collector takes spans again")
        : log("warn", `Cannot send spans to the collector: ${messageOf(error)}. They are dropped until it answers`),
  });
}

/** Every look is its own affair: one that fails disturbs neither the others nor the session. */
function together(watches: readonly SessionWatch[], onFault: (error: unknown) => void): SessionWatch {
  const each = (look: (watch: SessionWatch) => void) => {
    for (const watch of watches) {
      try {
        look(watch);
      } catch (error) {
        onFault(error);
      }
    }
  };
  return {
    opened: (session) => each((watch) => watch.opened(session)),
    launched: (session, how) => each((watch) => watch.launched(session, how)),
    begun: (session) => each((watch) => watch.begun(session)),
    told: (session, event, at) => each((watch) => watch.told(session, event, at)),
    paused: (session, isPaused) => each((watch) => watch.paused(session, isPaused)),
    ended: (session) => each((watch) => watch.ended(session)),
    released: (session) => each((watch) => watch.released(session)),
  };
}

/** Values that the configuration and the environment name as secrets. */
function secretsOf({ agents, environment }: Config): string[] {
  const named = Object.values(agents).flatMap(({ key_env }) => (key_env === undefined ? [] : [environment[key_env]]));
  const all = [environment, ...Object.values(agents).map(({ env }) => env)].flatMap((variables) =>
    Object.entries(variables).flatMap(([name, value]) => (isSecretName(name) ? [value] : [])),
  );
  return [...named, ...all].flatMap((value) => value ?? []);
}

function deadline(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms).unref());
}
