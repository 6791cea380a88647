/** One request of an agent, to the model service and back. Bodies are streamed as they come, in both directions. */
import type { IncomingMessage, ServerResponse } from "node:http";
import { pipeline } from "node:stream/promises";
import { type Dispatcher, request } from "undici";
import { messageOf } from "../protocol/error.ts";
import type { KeeperBootstrap } from "./bootstrap.ts";
import type { Credential, Held } from "./credential.ts";
import { hasStandIn, withKey, withoutKey } from "./headers.ts";

/** An answer that says what is wrong is short; only such a one is looked through for the key. */
const faultBytesMax = 256 * 1024;

export interface Forwarded {
  /** Of the service's answer; 0 when there was none. */
  status: number;
  fault?: string;
}

export interface Service {
  bootstrap: KeeperBootstrap;
  dispatcher: Dispatcher;
  credential: Credential;
}

/** Resolves when the answer is through, or cannot come. Never rejects. */
export async function forward(
  { bootstrap, dispatcher, credential }: Service,
  { incoming, outgoing }: { incoming: IncomingMessage; outgoing: ServerResponse },
): Promise<Forwarded> {
  if (!hasStandIn(incoming.headers, bootstrap.stand_in))
    return refuse(outgoing, 401, "this address is for one session's agent: its key is missing or wrong");
  const target = targetOf(incoming.url ?? "/", bootstrap.upstream);
  if (!target) return refuse(outgoing, 404, "there is nothing at this path: only the model service is reached here");
  let held: Held;
  try {
    held = await credential.current();
  } catch (error) {
    return refuse(outgoing, 401, messageOf(error));
  }
  const words = { standIn: bootstrap.stand_in, key: held.key };
  const headers = { ...withKey(incoming.headers, words), ...held.headers };
  const left = new AbortController();
  outgoing.on("close", () => left.abort());
  let status = 0;
  try {
    const answer = await request(target, {
      method: (incoming.method ?? "GET") as Dispatcher.HttpMethod,
      headers,
      body: isBodyless(incoming) ? null : incoming,
      dispatcher,
      signal: left.signal,
      // The agent has limits of its own, and a model may think for long.
      headersTimeout: 0,
      bodyTimeout: 0,
    });
    status = answer.statusCode;
    if (status === 401) credential.refused(held.key);
    const shown = withoutKey(answer.headers, words);
    if (status < 400) {
      outgoing.writeHead(status, shown);
      await pipeline(answer.body, outgoing);
    } else await passFault({ status, headers: shown, body: answer.body, outgoing, words });
    return { status, ...(held.fault === undefined ? {} : { fault: held.fault }) };
  } catch (error) {
    // As the agent would have seen it without us: a connection that breaks.
    outgoing.destroy();
    return { status, fault: left.signal.aborted ? "the agent left" : faultText(error) };
  }
}

async function passFault(fault: {
  status: number;
  headers: Record<string, string | string[]>;
  body: AsyncIterable<Buffer>;
  outgoing: ServerResponse;
  words: { standIn: string; key: string };
}): Promise<void> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of fault.body) {
    bytes += chunk.length;
    if (bytes <= faultBytesMax) chunks.push(chunk);
  }
  const text = Buffer.concat(chunks).toString("latin1");
  // Both are written in ASCII, so this holds whatever the text's own encoding is.
  const hidden = Buffer.from(text.replaceAll(fault.words.key, fault.words.standIn), "latin1");
  const { "content-length": _, ...headers } = fault.headers;
  fault.outgoing.writeHead(fault.status, { ...headers, "content-length": String(hidden.length) });
  fault.outgoing.end(hidden);
}

/** An address below the service's own; undefined for any other. */
function targetOf(path: string, upstream: string): URL | undefined {
  const service = new URL(upstream);
  if (!path.startsWith("/")) return undefined;
  const target = new URL(`${service.origin}${path}`);
  const base = service.pathname.replace(/\/$/, "");
  const isBelow = target.pathname === base || target.pathname.startsWith(`${base}/`);
  return isBelow && target.origin === service.origin ? target : undefined;
}

function isBodyless({ headers, method }: IncomingMessage): boolean {
  if (method === "GET" || method === "HEAD") return true;
  return headers["content-length"] === undefined && headers["transfer-encoding"] === undefined;
}

function refuse(outgoing: ServerResponse, status: number, message: string): Forwarded {
  outgoing.writeHead(status, { "content-type": "application/json" });
  outgoing.end(JSON.stringify({ error: { type: "agentruntime_key_keeper", message } }));
  return { status, fault: message };
}

function faultText(error: unknown): string {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  return cause instanceof Error ? cause.message : String(cause);
}
