/**
 * A model service on loopback that says what it is told to: the Responses API, for the real Codex.
 *
 *     const model = await startScriptedResponses();
 *     … base_url = model.url, any key …
 *     expect(model.requests.at(-1)?.text).toContain("what the agent should have passed on");
 *     await model.close();
 *
 * It knows the words of scripted-model.ts, with tools under Codex's names (`exec_command`, `apply_patch`, `spawn_agent`),
 * and two of its own: `[[quota]]` (429, `insufficient_quota`) and `[[contextfull]]` (a failure inside the stream).
 *
 * aimock serves plain answers and function calls; what it cannot script is served beside it.
 */
import { createServer, request as forward, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { text as readText } from "node:stream/consumers";
import { LLMock } from "@copilotkit/aimock";
import { type Answer, answerTo, lastWords, type MessageAnswer } from "./model-words.ts";
import { streamCalls, streamFailure, streamPieces } from "./responses-stream.ts";
import { asModelRequest, codexCalls, ResponsesRequest } from "./responses-words.ts";
import type { ScriptedModelOptions } from "./scripted-model.ts";

/** A request that reached the model. */
export interface SeenResponsesRequest {
  at: number;
  /** The last thing that a person said to the model. */
  text: string;
  /** Everything, as it was sent. */
  body: ResponsesRequest;
  headers: Readonly<Record<string, string | string[] | undefined>>;
}

export interface ScriptedResponses {
  /** The address of the service, without `/v1`. */
  url: string;
  /** Requests for an answer, oldest first; the newest 500. */
  requests: readonly SeenResponsesRequest[];
  close(): Promise<void>;
}

const requestsMax = 500;
const codes: Readonly<Record<number, string>> = {
  401: "invalid_api_key",
  403: "permission_denied",
  404: "model_not_found",
  429: "rate_limit_exceeded",
};

export async function startScriptedResponses(options: ScriptedModelOptions = {}): Promise<ScriptedResponses> {
  const requests: SeenResponsesRequest[] = [];
  const askedBefore = new Map<string, number>();
  const plain = await startPlainAnswers();

  const answer = async (request: IncomingMessage, response: ServerResponse) => {
    // The second is what ChatGPT has for those who are logged in.
    const path = request.url?.split("?")[0] ?? "";
    if (request.method !== "POST" || !["/v1/responses", "/backend-api/codex/responses"].includes(path)) {
      response.writeHead(404).end();
      return;
    }
    const body = ResponsesRequest.parse(JSON.parse(await readText(request)));
    const known = asModelRequest(body);
    const { text } = lastWords(known);
    requests.push({ at: Date.now(), text, body, headers: request.headers });
    if (requests.length > requestsMax) requests.shift();
    response.on("close", () => options.onServed?.(known));
    const key = `${body.prompt_cache_key ?? ""} ${known.messages.length} ${text}`;
    const asked = askedBefore.get(key) ?? 0;
    askedBefore.set(key, asked + 1);
    if (text.includes("[[quota]]")) return fail({ status: 429, code: "insufficient_quota" }, response);
    if (text.includes("[[contextfull]]")) return streamFailure("context_length_exceeded", response);
    await serve(answerTo(known, asked), body, response);
  };

  const serve = async (chosen: Answer, body: ResponsesRequest, response: ServerResponse) => {
    switch (chosen.kind) {
      case "message": {
        const calls = codexCalls(chosen);
        const isOurs = calls.some(({ isFreeform, namespace }) => isFreeform || namespace !== undefined);
        if (chosen.isCut || isOurs) return streamCalls(chosen, calls, response);
        return plain.serve({ ...chosen, ...(calls.length > 0 ? { toolCalls: calls } : {}) }, body, response);
      }
      case "stream":
        return streamPieces(chosen, response);
      case "failure":
        return fail({ ...chosen, code: codes[chosen.status] ?? "server_error" }, response);
      case "silence":
        return;
      default:
        chosen satisfies never;
    }
  };

  const server = createServer((request, response) => {
    answer(request, response).catch((error: unknown) => {
      if (response.headersSent) response.destroy();
      else fail({ status: 400, code: "invalid_request", message: String(error) }, response);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: urlOf(server.address()),
    requests,
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      await plain.close();
    },
  };
}

function urlOf(address: AddressInfo | string | null): string {
  if (address === null || typeof address === "string") throw new Error("the server has no port");
  return `http://127.0.0.1:${address.port}`;
}

interface Refusal {
  status: number;
  code: string;
  retryAfterS?: number;
  message?: string;
}

function fail({ status, code, retryAfterS, message }: Refusal, response: ServerResponse): void {
  response.writeHead(status, {
    "content-type": "application/json",
    ...(retryAfterS === undefined ? {} : { "retry-after": String(retryAfterS) }),
  });
  const type = status === 400 ? "invalid_request_error" : code;
  response.end(
    JSON.stringify({ error: { message: message ?? `Scripted failure ${status}`, type, param: null, code } }),
  );
}

/** aimock, asked with the number of a prepared answer: the agent's own request is long and already understood. */
async function startPlainAnswers() {
  const prepared = new Map<string, MessageAnswer>();
  const mock = new LLMock({ port: 0, host: "127.0.0.1", journalMaxEntries: 10 });
  mock.on({ predicate: () => true }, (request) => {
    const name = String(request.messages.at(-1)?.content);
    const answer = prepared.get(name);
    prepared.delete(name);
    if (!answer) throw new Error(`no answer was prepared for ${JSON.stringify(name)}`);
    return {
      content: answer.text,
      usage: answer.usage ?? { input_tokens: 100, output_tokens: 12 },
      ...(answer.toolCalls ? { toolCalls: answer.toolCalls } : {}),
      ...(answer.thinking === undefined ? {} : { reasoning: answer.thinking }),
    };
  });
  await mock.start();
  let count = 0;

  const serve = async (answer: MessageAnswer, { model }: ResponsesRequest, response: ServerResponse) => {
    const name = `answer ${count++}`;
    prepared.set(name, answer);
    const body = JSON.stringify({ model, stream: true, input: [{ role: "user", content: name }] });
    await new Promise<void>((resolve, reject) => {
      const headers = { "content-type": "application/json", "content-length": Buffer.byteLength(body) };
      const upstream = forward(`${mock.url}/v1/responses`, { method: "POST", headers }, (answered) => {
        response.writeHead(answered.statusCode ?? 502, {
          "content-type": answered.headers["content-type"] ?? "application/json",
        });
        answered.pipe(response).on("close", resolve);
      });
      upstream.on("error", reject).end(body);
    });
  };
  return { serve, close: () => mock.stop() };
}
