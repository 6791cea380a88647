/** A streamed answer of our own: slow ones, long ones, and ones that end badly. */
import { randomUUID } from "node:crypto";
import type { ServerResponse } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import type { StreamAnswer } from "./model-words.ts";

const usage = { input_tokens: 100, output_tokens: 12, cache_creation_input_tokens: 0, cache_read_input_tokens: 0 };

export async function streamAnswer(answer: StreamAnswer, model: string, response: ServerResponse): Promise<void> {
  const send = async (event: { type: string; [key: string]: unknown }) => {
    const text = `event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`;
    // Called when the text has left, or when it never will.
    if (!response.destroyed) await new Promise<void>((resolve) => response.write(text, () => resolve()));
  };
  response.writeHead(200, { "content-type": "text/event-stream" });
  const id = `msg_${randomUUID().replaceAll("-", "")}`;
  const message = {
    id,
    type: "message",
    role: "assistant",
    model,
    content: [],
    stop_reason: null,
    stop_sequence: null,
    usage,
  };
  await send({ type: "message_start", message });
  await send({ type: "content_block_start", index: 0, content_block: { type: "text", text: "" } });
  for (let i = 0; i < answer.pieces && !response.destroyed; i++) {
    if (answer.pauseMs > 0) await sleep(answer.pauseMs);
    await send({ type: "content_block_delta", index: 0, delta: { type: "text_delta", text: answer.piece(i) } });
  }
  switch (answer.end) {
    case "whole":
      await send({ type: "content_block_stop", index: 0 });
      await send({
        type: "message_delta",
        delta: { stop_reason: "end_turn", stop_sequence: null },
        usage: { output_tokens: 12 },
      });
      await send({ type: "message_stop" });
      response.end();
      return;
    case "drop":
      // What was written must have been read before the connection is cut: some clients forget what comes together with the cut.
      await sleep(50);
      response.destroy();
      return;
    case "error":
      await send({ type: "error", error: { type: "overloaded_error", message: "Scripted failure in the stream" } });
      response.end();
      return;
    default:
      answer.end satisfies never;
  }
}
