/** An answer in the stream of the Responses API, event by event. */
import { randomUUID } from "node:crypto";
import type { ProbeAnswer } from "./model-request.ts";
import { type StreamEvent, waitingWords } from "./stream-event.ts";

const newId = (kind: string) => `${kind}_${randomUUID().replaceAll("-", "")}`;

const usage = {
  input_tokens: 10,
  input_tokens_details: { cached_tokens: 0 },
  output_tokens: 2,
  output_tokens_details: { reasoning_tokens: 0 },
  total_tokens: 12,
};

export async function* responsesStream(answer: ProbeAnswer): AsyncGenerator<StreamEvent> {
  const id = newId("resp");
  yield { type: "response.created", response: { id } };
  if (answer.kind === "tool") {
    const call = { type: "function_call", id: newId("fc"), call_id: newId("call"), status: "completed" };
    const item = { ...call, name: answer.name, arguments: JSON.stringify(answer.input) };
    yield { type: "response.output_item.done", output_index: 0, item };
  } else {
    const item = { type: "message", id: newId("msg"), role: "assistant", status: "in_progress" };
    yield { type: "response.output_item.added", output_index: 0, item: { ...item, content: [] } };
    let text = "";
    const pieces = answer.kind === "text" ? [answer.text] : waitingWords();
    for await (const delta of pieces) {
      text += delta;
      yield { type: "response.output_text.delta", item_id: item.id, output_index: 0, content_index: 0, delta };
    }
    const content = [{ type: "output_text", text, annotations: [] }];
    yield { type: "response.output_item.done", output_index: 0, item: { ...item, status: "completed", content } };
  }
  yield { type: "response.completed", response: { id, object: "response", status: "completed", usage } };
}
