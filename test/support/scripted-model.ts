/**
 * A model service on loopback that says what it is told to: the Anthropic Messages API for the real Claude Code.
 *
 *     const model = await startScriptedModel();
 *     … ANTHROPIC_BASE_URL=model.url ANTHROPIC_API_KEY=anything …
 *     expect(model.requests.at(-1)?.text).toContain("what the agent should have passed on");
 *     await model.close();
 *
 * A word in double brackets in the last user text of a request tells it what to answer; without one it says
 * `You said: <text>`, with the last text block of that message (its first 500 characters).
 *
 * | word | answer |
 * |---|---|
 * | `[[hello]]`, `[[say:TEXT]]` | a greeting; that text |
 * | `[[bash]]`, `[[bash:CMD]]`, `[[bashfail]]` | a Bash call (`echo hi`, CMD, one that exits 3), then a sentence |
 * | `[[parallel]]`, `[[badtool]]` | two Bash calls at once; a tool that does not exist; then a sentence |
 * | `[[call:NAME JSON]]` | a call of the tool NAME with that input, then a sentence |
 * | `[[plan]]`, `[[plan:TEXT]]` | EnterPlanMode, then ExitPlanMode with that plan, then a sentence |
 * | `[[edit]]` | Write, Read, Edit of notes.txt in the work dir, then a sentence |
 * | `[[loop]]` | a Bash call again and again, for ever |
 * | `[[task]]`, `[[task:SECONDS]]` | a subagent that runs one command, or that talks for so long; then a sentence |
 * | `[[think]]` | thinking, then a sentence |
 * | `[[slow:SECONDS]]`, `[[flood:COUNT]]` | text in pieces: ten a second for so long; COUNT of them as fast as they go |
 * | `[[count:COUNT MS]]` | COUNT pieces that are numbered from 1, MS milliseconds before each |
 * | `[[silent]]` | nothing at all, the connection stays open |
 * | `[[maxtokens]]`, `[[pricey]]` | an answer cut by the token limit; one with 440 000 tokens |
 * | `[[errSTATUS]]`, `[[errSTATUS:TIMES]]` | this HTTP status so many times, then `Recovered.`; without a number 400, 401, 403 and 404 go on for ever, 429 (retry-after 1), 500, 529 and others come twice |
 * | `[[quota]]`, `[[contextfull]]` | for ever, in the service's words: an account that cannot be billed (402), a conversation that is too long (400) |
 * | `[[drop]]`, `[[sseerror]]` | three deltas, then a cut connection or an SSE `error` event; whole when asked again |
 *
 * aimock serves the plain answers; what it cannot script (bad streams, failures that pass) is served beside it.
 */
import { createServer, request as forward, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { text as readText } from "node:stream/consumers";
import { LLMock } from "@copilotkit/aimock";
import { streamAnswer } from "./model-stream.ts";
import {
  type Answer,
  answerTo,
  type FailureAnswer,
  lastWords,
  type MessageAnswer,
  ModelRequest,
  systemText,
} from "./model-words.ts";

/** A request that reached the model. */
export interface SeenRequest {
  at: number;
  /** The last thing said to the model: the last text block of the last user message that has one. */
  text: string;
  /** The system prompt as one text. */
  system: string;
  /** Everything, as it was sent. */
  body: ModelRequest;
  headers: Readonly<Record<string, string | string[] | undefined>>;
}

export interface ScriptedModel {
  /** For ANTHROPIC_BASE_URL. */
  url: string;
  /** Requests for a message, oldest first; the newest 500. */
  requests: readonly SeenRequest[];
  close(): Promise<void>;
}

export interface ScriptedModelOptions {
  /** Told of each request for a message when its answer has left whole, or when it never will. */
  onServed?(request: ModelRequest): void;
}

const requestsMax = 500;
const usage = { input_tokens: 100, output_tokens: 12 };
const errorTypes: Readonly<Record<number, string>> = {
  400: "invalid_request_error",
  401: "authentication_error",
  403: "permission_error",
  404: "not_found_error",
  413: "request_too_large",
  429: "rate_limit_error",
  529: "overloaded_error",
};

export async function startScriptedModel(options: ScriptedModelOptions = {}): Promise<ScriptedModel> {
  const requests: SeenRequest[] = [];
  const askedBefore = new Map<string, number>();
  const plain = await startPlainAnswers();

  const answer = async (request: IncomingMessage, response: ServerResponse) => {
    const path = request.url?.split("?")[0];
    if (request.method !== "POST" || path !== "/v1/messages") {
      response.writeHead(request.method === "HEAD" ? 200 : 404).end();
      return;
    }
    const body = ModelRequest.parse(JSON.parse(await readText(request)));
    const { text } = lastWords(body);
    requests.push({ at: Date.now(), text, system: systemText(body), body, headers: request.headers });
    if (requests.length > requestsMax) requests.shift();
    response.on("close", () => options.onServed?.(body));
    const key = `${body.metadata?.user_id ?? ""} ${body.messages.length} ${text}`;
    const asked = askedBefore.get(key) ?? 0;
    askedBefore.set(key, asked + 1);
    await serve(answerTo(body, asked), body, response);
  };

  const serve = async (chosen: Answer, body: ModelRequest, response: ServerResponse) => {
    switch (chosen.kind) {
      case "message":
        return plain.serve(chosen, body, response);
      case "stream":
        if (body.stream) return streamAnswer(chosen, body.model, response);
        return plain.serve(
          { kind: "message", text: Array.from({ length: chosen.pieces }, (_, i) => chosen.piece(i)).join("") },
          body,
          response,
        );
      case "failure":
        return fail(chosen, response);
      case "silence":
        return;
      default:
        chosen satisfies never;
    }
  };

  const server = createServer((request, response) => {
    answer(request, response).catch((error: unknown) => {
      if (response.headersSent) response.destroy();
      else
        response
          .writeHead(400)
          .end(JSON.stringify({ type: "error", error: { type: "invalid_request_error", message: String(error) } }));
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

function fail({ status, retryAfterS, error: said }: FailureAnswer, response: ServerResponse): void {
  response.writeHead(status, {
    "content-type": "application/json",
    ...(retryAfterS === undefined ? {} : { "retry-after": String(retryAfterS) }),
  });
  const error = said ?? { type: errorTypes[status] ?? "api_error", message: `Scripted failure ${status}` };
  response.end(JSON.stringify({ type: "error", error }));
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
      usage: answer.usage ?? usage,
      ...(answer.toolCalls ? { toolCalls: answer.toolCalls } : {}),
      ...(answer.thinking === undefined ? {} : { reasoning: answer.thinking }),
      ...(answer.isCut ? { finishReason: "length" } : {}),
    };
  });
  await mock.start();
  let count = 0;

  const serve = async (answer: MessageAnswer, { model, stream }: ModelRequest, response: ServerResponse) => {
    const name = `answer ${count++}`;
    prepared.set(name, answer);
    const body = JSON.stringify({
      model,
      stream: stream ?? false,
      max_tokens: 1000,
      messages: [{ role: "user", content: name }],
    });
    await new Promise<void>((resolve, reject) => {
      const headers = { "content-type": "application/json", "content-length": Buffer.byteLength(body) };
      const upstream = forward(`${mock.url}/v1/messages`, { method: "POST", headers }, (answered) => {
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
