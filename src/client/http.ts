/** One call to the daemon: bearer token out, checked value or AgentdError back. */
import type * as z from "zod";
import { errnoOf, messageOf } from "../protocol/error.ts";
import { firstIssue } from "../protocol/first-issue.ts";
import { type DaemonAddress, DaemonUnreachable, type Fetch } from "./address.ts";
import { noDaemon, readErrorAnswer } from "./error-answer.ts";

export interface Call {
  method?: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  /** Path and query, from the slash on. */
  path: string;
  body?: unknown;
  headers?: Readonly<Record<string, string>>;
  /** An error status that is an answer here, such as 416 for a range past the end. */
  acceptStatus?: number;
  signal?: AbortSignal | undefined;
}

/** The answer, parsed. Answers are tolerated when they say more than the schema. */
export async function callDaemon<T>(address: DaemonAddress, call: Call, schema: z.ZodType<T>): Promise<T> {
  return readAnswer(address, call, { response: await openCall(address, call), schema });
}

/** The same for one that is open already. */
export async function readAnswer<T>(
  address: DaemonAddress,
  call: Call,
  { response, schema }: { response: Response; schema: z.ZodType<T> },
): Promise<T> {
  const text = await wholeBody(address, response.text(), call.signal);
  const parsed = schema.safeParse(parseJson(address, { status: response.status, text }));
  if (parsed.success) return parsed.data;
  throw new Error(
    `The daemon at ${address.url} answered ${call.method ?? "GET"} ${call.path} with something unexpected: ${firstIssue(parsed.error)}. Are both of the same version?`,
  );
}

/** A daemon answers in JSON. */
function parseJson(address: DaemonAddress, { status, text }: { status: number; text: string }): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw noDaemon(address, { status, text, cause });
  }
}

/** The open answer, for bodies that are streamed. Throws AgentdError for an error status, DaemonUnreachable without an answer. */
export async function openCall(address: DaemonAddress, call: Call): Promise<Response> {
  const response = await send(address, call);
  if (response.ok || response.status === call.acceptStatus) return response;
  throw readErrorAnswer(address, { status: response.status, text: await response.text() });
}

/** An answer that breaks off says as little as none: whoever asked may ask again. */
export async function wholeBody<T>(
  address: DaemonAddress,
  body: Promise<T>,
  signal: AbortSignal | undefined,
): Promise<T> {
  try {
    return await body;
  } catch (cause) {
    if (signal?.aborted) throw cause;
    throw unreachable(address, cause);
  }
}

async function send(address: DaemonAddress, call: Call): Promise<Response> {
  const headers: Record<string, string> = { ...call.headers };
  if (address.token !== undefined) headers["authorization"] = `Bearer ${address.token}`;
  if (call.body !== undefined) headers["content-type"] = "application/json";
  try {
    const send: Fetch = address.fetch ?? fetch;
    // By a Unix socket the name says nothing, but there must be one.
    return await send((address.fetch ? "http://localhost" : address.url) + call.path, {
      method: call.method ?? "GET",
      headers,
      ...(call.body === undefined ? {} : { body: JSON.stringify(call.body) }),
      ...(call.signal === undefined ? {} : { signal: call.signal }),
    });
  } catch (cause) {
    if (call.signal?.aborted) throw cause;
    throw unreachable(address, cause);
  }
}

/** What was tried, what came back, what to do. */
export function unreachable(address: DaemonAddress, cause: unknown): DaemonUnreachable {
  return new DaemonUnreachable(
    `Cannot reach a daemon at ${address.url} (${address.source}): ${reasonOf(cause)}. Start one with "agentd serve"`,
    { named: !address.source.startsWith("daemon.json"), cause },
  );
}

/** Node's fetch hides the reason one or two levels down: `fetch failed` ← AggregateError ← ECONNREFUSED. */
function reasonOf(thrown: unknown): string {
  const code = errnoOf(thrown);
  if (code === "ECONNREFUSED") return "connection refused";
  if (code !== undefined) return code;
  return thrown instanceof Error && thrown.cause !== undefined ? reasonOf(thrown.cause) : messageOf(thrown);
}
