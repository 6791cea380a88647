/** A model service on loopback that answers the probe's prompts: the Messages and the Responses API, streamed. */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { messagesStream } from "./messages-stream.ts";
import { answerTo, ModelRequest } from "./model-request.ts";
import { responsesStream } from "./responses-stream.ts";
import type { StreamEvent } from "./stream-event.ts";

export interface ScriptedModel {
  /** Without `/v1`. */
  url: string;
  /** How many answers it was asked for. */
  requestCount(): number;
  close(): Promise<void>;
}

const bodyBytesMax = 32 * 1024 * 1024;

export async function startScriptedModel(): Promise<ScriptedModel> {
  let count = 0;
  const server = createServer((request, response) => {
    count += request.method === "POST" ? 1 : 0;
    answer(request, response).catch(() => {
      // The agent hung up, or sent what is no request: it sees an answer that is none.
      if (response.headersSent) response.destroy();
      else response.writeHead(400).end();
    });
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(0, "127.0.0.1", resolve);
  });
  const address = server.address();
  if (address === null || typeof address === "string")
    throw new Error("Cannot start the scripted model: it has no port");
  return {
    url: `http://127.0.0.1:${address.port}`,
    requestCount: () => count,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const path = request.url?.split("?")[0]?.replace(/^\/v1/, "");
  if (request.method !== "POST" || (path !== "/messages" && path !== "/responses")) {
    response.writeHead(request.method === "HEAD" ? 200 : 404).end();
    return;
  }
  const asked = ModelRequest.parse(JSON.parse(await readBody(request)));
  const answer = answerTo(asked);
  if (!asked.stream) {
    const text = answer.kind === "text" ? answer.text : "";
    response.writeHead(200, { "content-type": "application/json" });
    response.end(JSON.stringify(wholeMessage(asked.model, text)));
    return;
  }
  response.writeHead(200, { "content-type": "text/event-stream" });
  await send(path === "/messages" ? messagesStream(answer, asked.model) : responsesStream(answer), response);
  response.end();
}

async function send(events: AsyncIterable<StreamEvent>, response: ServerResponse): Promise<void> {
  for await (const event of events) {
    if (response.destroyed) return;
    response.write(`event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`);
  }
}

/** What is asked for at once is a title or the like, and of the Messages API only. */
function wholeMessage(model: string, text: string): object {
  const content = [{ type: "text", text }];
  const usage = { input_tokens: 10, output_tokens: 2 };
  return { id: "msg_probe", type: "message", role: "assistant", model, content, stop_reason: "end_turn", usage };
}

async function readBody(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request) {
    if (!Buffer.isBuffer(chunk)) continue;
    bytes += chunk.length;
    if (bytes > bodyBytesMax) throw new Error(`The request is longer than ${bodyBytesMax} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}
