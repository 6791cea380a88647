/**
 * Finished spans → an OpenTelemetry collector. The one file that knows OpenTelemetry; it is only loaded when a
 * collector is configured, so that an idle daemon pays nothing for it.
 */
import { SpanKind, SpanStatusCode, TraceFlags } from "@opentelemetry/api";
import { OTLPTraceExporter } from "@opentelemetry/exporter-trace-otlp-http";
import { type Resource, resourceFromAttributes } from "@opentelemetry/resources";
import { BatchSpanProcessor, type ReadableSpan, type SpanExporter } from "@opentelemetry/sdk-trace-base";
import type { FinishedSpan } from "./spans.ts";

/** Spans that wait for the collector; what does not fit is dropped and counted. */
const waitingMax = 2048;
const batchMax = 512;
const everyMs = 2000;
const exportMs = 10_000;

export interface SpanSink {
  push(span: FinishedSpan): void;
  readonly exported: number;
  readonly dropped: number;
  /** Sends what waits; whoever calls decides how long to wait for it. */
  close(): Promise<void>;
}

export interface OtlpOptions {
  /** The whole address, `/v1/traces` included. */
  url: string;
  serviceName: string;
  version: string;
  /** Told when the collector begins to fail, and when it takes spans again. */
  onState(state: { ok: boolean; error?: unknown }): void;
}

export function openOtlp(options: OtlpOptions): SpanSink {
  const resource = resourceFromAttributes({ "service.name": options.serviceName, "service.version": options.version });
  const scope = { name: "agentruntime", version: options.version };
  let waiting = 0;
  let exported = 0;
  let dropped = 0;
  let isOk = true;
  const exporter = new OTLPTraceExporter({ url: options.url, timeoutMillis: exportMs });
  const counting: SpanExporter = {
    export: (spans, done) =>
      exporter.export(spans, (result) => {
        const ok = result.error === undefined && result.code === 0;
        waiting -= spans.length;
        if (ok) exported += spans.length;
        else dropped += spans.length;
        if (ok !== isOk) options.onState({ ok, error: result.error });
        isOk = ok;
        done(result);
      }),
    shutdown: () => exporter.shutdown(),
  };
  const processor = new BatchSpanProcessor(counting, {
    // One batch may be under way besides; what we let in is counted before.
    maxQueueSize: waitingMax + batchMax,
    maxExportBatchSize: batchMax,
    scheduledDelayMillis: everyMs,
    exportTimeoutMillis: exportMs + 1000,
  });
  return {
    push: (span) => {
      if (waiting >= waitingMax) {
        dropped += 1;
        return;
      }
      waiting += 1;
      processor.onEnd(readable(span, resource, scope));
    },
    get exported() {
      return exported;
    },
    get dropped() {
      return dropped;
    },
    close: () => processor.shutdown(),
  };
}

function readable(span: FinishedSpan, resource: Resource, instrumentationScope: ReadableSpan["instrumentationScope"]) {
  const { traceId, spanId, parentSpanId } = span;
  const context = { traceId, spanId, traceFlags: span.isSampled ? TraceFlags.SAMPLED : TraceFlags.NONE };
  return {
    name: span.name,
    kind: SpanKind.INTERNAL,
    spanContext: () => context,
    ...(parentSpanId === undefined ? {} : { parentSpanContext: { ...context, spanId: parentSpanId } }),
    startTime: hrTime(span.startMs),
    endTime: hrTime(span.endMs),
    duration: hrTime(span.endMs - span.startMs),
    ended: true,
    status:
      span.fault === undefined ? { code: SpanStatusCode.UNSET } : { code: SpanStatusCode.ERROR, message: span.fault },
    attributes: span.attributes,
    links: [],
    events: [],
    resource,
    instrumentationScope,
    droppedAttributesCount: 0,
    droppedEventsCount: 0,
    droppedLinksCount: 0,
  } satisfies ReadableSpan;
}

/** Seconds and nanoseconds, as OpenTelemetry counts. */
function hrTime(ms: number): [number, number] {
  const seconds = Math.floor(ms / 1000);
  return [seconds, Math.round((ms - seconds * 1000) * 1e6)];
}
