/** Requests to the server that we started, one connection each: an old one may be dead without our knowing. */
import { type IncomingMessage, request } from "node:http";
import { messageOf } from "../../src/protocol/error.ts";
import { parseAgentJson } from "../agent-json.ts";

export interface ApiAnswer {
  status: number;
  /** The body as JSON; undefined when it is none. */
  body: unknown;
}

const answerBytesMax = 32 * 1024 * 1024;
const timeoutMsDefault = 30_000;
/** The name that it asks for when only a password is set. */
const user = "opencode";

export class Api {
  readonly #url: string;
  readonly #authorization: string;

  constructor(at: { url: string; password: string }) {
    this.#url = at.url;
    this.#authorization = `Basic ${Buffer.from(`${user}:${at.password}`).toString("base64")}`;
  }

  /** Rejects with a sentence for people when there is no whole answer. */
  async call(method: string, path: string, body?: unknown, timeoutMs = timeoutMsDefault): Promise<ApiAnswer> {
    const signal = AbortSignal.timeout(timeoutMs);
    try {
      const response = await this.#ask(method, path, body, signal);
      return { status: response.statusCode ?? 0, body: parsed(await readAll(response)) };
    } catch (cause) {
      const why = signal.aborted ? `no answer within ${timeoutMs / 1000} s` : messageOf(cause);
      throw new Error(`Cannot reach opencode with ${method} ${path}: ${why}`, { cause });
    }
  }

  /** An answer that goes on until one side ends it. */
  async stream(path: string, signal: AbortSignal): Promise<IncomingMessage> {
    const response = await this.#ask("GET", path, undefined, signal);
    if (response.statusCode === 200) return response;
    response.destroy();
    throw new Error(`Cannot follow opencode: GET ${path} was answered with status ${response.statusCode}`);
  }

  #ask(method: string, path: string, body: unknown, signal: AbortSignal): Promise<IncomingMessage> {
    const text = body === undefined ? undefined : JSON.stringify(body);
    return new Promise((resolve, reject) => {
      const headers = {
        authorization: this.#authorization,
        ...(text === undefined
          ? {}
          : { "content-type": "application/json", "content-length": Buffer.byteLength(text) }),
      };
      // No agent: no connection is kept for a next request.
      const asked = request(`${this.#url}${path}`, { method, headers, signal, agent: false }, resolve);
      asked.on("error", reject);
      asked.end(text);
    });
  }
}

async function readAll(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of response) {
    if (!Buffer.isBuffer(chunk)) continue;
    bytes += chunk.length;
    if (bytes > answerBytesMax) throw new Error(`the answer is longer than ${answerBytesMax} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}

function parsed(text: string): unknown {
  try {
    return parseAgentJson(text);
  } catch {
    // An empty body, or the words of something that is not the server.
    return undefined;
  }
}
