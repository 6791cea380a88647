/** Answers in the stream of the Responses API: whole ones, slow ones, and ones that end badly. */
import { randomUUID } from "node:crypto";
import type { ServerResponse } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import type { MessageAnswer, StreamAnswer } from "./model-words.ts";
import type { CodexCall } from "./responses-words.ts";

const defaultUsage = { input_tokens: 100, output_tokens: 12 };
const newId = (kind: string) => `${kind}_${randomUUID().replaceAll("-", "")}`;

type Send = (event: { type: string; [key: string]: unknown }) => Promise<void>;

function open(response: ServerResponse): Send {
  response.writeHead(200, { "content-type": "text/event-stream" });
  return async (event) => {
    const text = `event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`;
    // Called when the text has left, or when it never will.
    if (!response.destroyed) await new Promise<void>((resolve) => response.write(text, () => resolve()));
  };
}

function completed(id: string, usage: { input_tokens: number; output_tokens: number } = defaultUsage) {
  const counts = {
    ...usage,
    input_tokens_details: { cached_tokens: 0 },
    output_tokens_details: { reasoning_tokens: 0 },
    total_tokens: usage.input_tokens + usage.output_tokens,
  };
  return { type: "response.completed", response: { id, object: "response", status: "completed", usage: counts } };
}

async function sendText(send: Send, text: readonly string[], pauseMs: number, isGone: () => boolean): Promise<object> {
  const id = newId("msg");
  const item = { type: "message", id, role: "assistant", status: "in_progress", content: [] };
  await send({ type: "response.output_item.added", output_index: 0, item });
  for (const delta of text) {
    if (isGone()) break;
    if (pauseMs > 0) await sleep(pauseMs);
    await send({ type: "response.output_text.delta", item_id: id, output_index: 0, content_index: 0, delta });
  }
  return { ...item, status: "completed", content: [{ type: "output_text", text: text.join(""), annotations: [] }] };
}

/** What aimock cannot say: freeform tools and tools of a group, and an answer cut by the token limit. */
export async function streamCalls(answer: MessageAnswer, calls: readonly CodexCall[], response: ServerResponse) {
  const send = open(response);
  const id = newId("resp");
  await send({ type: "response.created", response: { id } });
  if (answer.text !== "") {
    const item = await sendText(send, [answer.text], 0, () => response.destroyed);
    await send({ type: "response.output_item.done", output_index: 0, item });
  }
  for (const { name, arguments: text, isFreeform, namespace } of calls) {
    const call = isFreeform
      ? { type: "custom_tool_call", id: newId("ctc"), call_id: newId("call"), name, input: text }
      : { type: "function_call", id: newId("fc"), call_id: newId("call"), name, namespace, arguments: text };
    await send({ type: "response.output_item.done", output_index: 0, item: { ...call, status: "completed" } });
  }
  if (answer.isCut)
    await send({
      type: "response.incomplete",
      response: { id, status: "incomplete", incomplete_details: { reason: "max_output_tokens" } },
    });
  else await send(completed(id, answer.usage));
  response.end();
}

export async function streamPieces(answer: StreamAnswer, response: ServerResponse): Promise<void> {
  const send = open(response);
  const id = newId("resp");
  await send({ type: "response.created", response: { id } });
  const pieces = Array.from({ length: answer.pieces }, (_, i) => answer.piece(i));
  const item = await sendText(send, pieces, answer.pauseMs, () => response.destroyed);
  switch (answer.end) {
    case "whole":
      await send({ type: "response.output_item.done", output_index: 0, item });
      await send(completed(id));
      response.end();
      return;
    case "drop":
      // What was written must have been read before the connection is cut: some clients forget what comes together with the cut.
      await sleep(50);
      response.destroy();
      return;
    case "error":
      return failIn(send, id, "server_error", response);
    default:
      answer.end satisfies never;
  }
}

/** A failure inside a stream that began well. */
export async function streamFailure(code: string, response: ServerResponse): Promise<void> {
  const send = open(response);
  const id = newId("resp");
  await send({ type: "response.created", response: { id } });
  await failIn(send, id, code, response);
}

async function failIn(send: Send, id: string, code: string, response: ServerResponse): Promise<void> {
  const error = { code, message: "Scripted failure in the stream" };
  await send({ type: "response.failed", response: { id, status: "failed", error } });
  response.end();
}
