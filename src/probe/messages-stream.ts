/** An answer in the stream of the Messages API, event by event. */
import { randomUUID } from "node:crypto";
import type { ProbeAnswer } from "./model-request.ts";
import { type StreamEvent, waitingWords } from "./stream-event.ts";

const usage = { input_tokens: 10, output_tokens: 2, cache_creation_input_tokens: 0, cache_read_input_tokens: 0 };

export async function* messagesStream(answer: ProbeAnswer, model: string): AsyncGenerator<StreamEvent> {
  const id = `msg_${randomUUID().replaceAll("-", "")}`;
  const message = {
    id,
    type: "message",
    role: "assistant",
    model,
    content: [],
    stop_reason: null,
    stop_sequence: null,
  };
  yield { type: "message_start", message: { ...message, usage } };
  const isTool = answer.kind === "tool";
  const block = isTool
    ? { type: "tool_use", id: `toolu_${randomUUID().replaceAll("-", "")}`, name: answer.name, input: {} }
    : { type: "text", text: "" };
  yield { type: "content_block_start", index: 0, content_block: block };
  if (isTool) {
    const delta = { type: "input_json_delta", partial_json: JSON.stringify(answer.input) };
    yield { type: "content_block_delta", index: 0, delta };
  } else {
    const pieces = answer.kind === "text" ? [answer.text] : waitingWords();
    for await (const text of pieces)
      yield { type: "content_block_delta", index: 0, delta: { type: "text_delta", text } };
  }
  yield { type: "content_block_stop", index: 0 };
  const delta = { stop_reason: isTool ? "tool_use" : "end_turn", stop_sequence: null };
  yield { type: "message_delta", delta, usage: { output_tokens: 2 } };
  yield { type: "message_stop" };
}
