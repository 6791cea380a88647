/** A little OpenTelemetry collector: takes OTLP over HTTP as JSON and keeps the spans. */
import { createServer } from "node:http";

export interface CollectedSpan {
  traceId: string;
  spanId: string;
  parentSpanId?: string;
  name: string;
  startTimeUnixNano: string;
  endTimeUnixNano: string;
  attributes: Record<string, unknown>;
  status: { code?: number; message?: string };
}

export interface Collector {
  readonly url: string;
  readonly spans: readonly CollectedSpan[];
  /** The names of the services that spans came from. */
  readonly services: ReadonlySet<unknown>;
  /** Answers with this status from now on; nothing is kept unless it is 200. */
  answer: number | "never";
  close(): Promise<void>;
}

interface Attribute {
  key: string;
  value: Record<string, unknown>;
}

interface Export {
  resourceSpans: {
    resource: { attributes: Attribute[] };
    scopeSpans: { spans: (Omit<CollectedSpan, "attributes"> & { attributes: Attribute[] })[] }[];
  }[];
}

export async function startCollector(): Promise<Collector> {
  const spans: CollectedSpan[] = [];
  const services = new Set<unknown>();
  const state: { answer: Collector["answer"] } = { answer: 200 };
  const server = createServer(async (request, response) => {
    let text = "";
    for await (const chunk of request) text += String(chunk);
    if (state.answer === "never") return;
    if (request.url === "/v1/traces" && state.answer === 200) {
      for (const { resource, scopeSpans } of (JSON.parse(text) as Export).resourceSpans) {
        services.add(valuesOf(resource.attributes)["service.name"]);
        for (const scope of scopeSpans)
          for (const span of scope.spans) spans.push({ ...span, attributes: valuesOf(span.attributes) });
      }
    }
    response.writeHead(request.url === "/v1/traces" ? state.answer : 404, { "content-type": "application/json" });
    response.end("{}");
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  return {
    url: `http://127.0.0.1:${typeof address === "object" && address ? address.port : 0}`,
    spans,
    services,
    get answer() {
      return state.answer;
    },
    set answer(answer) {
      state.answer = answer;
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function valuesOf(attributes: readonly Attribute[]): Record<string, unknown> {
  return Object.fromEntries(attributes.map(({ key, value }) => [key, Object.values(value)[0]]));
}
