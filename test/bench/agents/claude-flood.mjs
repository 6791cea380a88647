// A stand-in for Claude Code in stream-json mode: answers each user message with COUNT text deltas, as fast as the
// pipe takes them, in the shape of version 2.1.329. Waits for the end of its stdin.
import { createInterface } from "node:readline";

if (process.argv.includes("--version")) {
  console.log("2.1.329 (Claude Code)");
  process.exit(0);
}
const count = Number(process.argv[2]);
const session_id = "11111111-2222-4333-8444-555555555555";
const usage = { input_tokens: 10, output_tokens: count, cache_read_input_tokens: 0, cache_creation_input_tokens: 0 };
const deltasPerBlock = 300;

for await (const line of createInterface({ input: process.stdin })) {
  if (line.trim() === "") continue;
  const message = JSON.parse(line);
  if (message.type === "control_request") control(message);
  if (message.type === "user") await turn(message);
}

function control({ request_id }) {
  print({
    type: "control_response",
    response: { subtype: "success", request_id, response: { commands: [], models: [] } },
  });
}

async function turn(user) {
  const id = "msg_bench";
  const cwd = process.cwd();
  print({
    type: "system",
    subtype: "init",
    cwd,
    session_id,
    tools: [],
    mcp_servers: [],
    model: "bench",
    permissionMode: "default",
    uuid: "u0",
  });
  if (user.uuid) print({ ...user, session_id, parent_tool_use_id: null, isReplay: true });
  const base = { id, type: "message", role: "assistant", model: "bench", stop_reason: null, stop_sequence: null };
  stream({ type: "message_start", message: { ...base, content: [], usage } });
  stream({ type: "content_block_start", index: 0, content_block: { type: "text", text: "" } });
  const word = "lorem ipsum ";
  const block =
    `${encode({ type: "content_block_delta", index: 0, delta: { type: "text_delta", text: word } })}\n`.repeat(
      deltasPerBlock,
    );
  for (let sent = 0; sent < count; sent += deltasPerBlock) {
    if (!process.stdout.write(block)) await new Promise((resolve) => process.stdout.once("drain", resolve));
  }
  const text = word.repeat(Math.ceil(count / deltasPerBlock) * deltasPerBlock);
  print({
    type: "assistant",
    message: { ...base, content: [{ type: "text", text }], usage },
    parent_tool_use_id: null,
    session_id,
    uuid: "u1",
  });
  stream({ type: "content_block_stop", index: 0 });
  stream({ type: "message_delta", delta: { stop_reason: "end_turn", stop_sequence: null }, usage });
  stream({ type: "message_stop" });
  print({
    type: "result",
    subtype: "success",
    is_error: false,
    duration_ms: 1,
    duration_api_ms: 1,
    num_turns: 1,
    result: "flood-end",
    session_id,
    total_cost_usd: 0,
    usage,
    modelUsage: {},
    permission_denials: [],
    uuid: "u2",
  });
}

function stream(event) {
  process.stdout.write(`${encode(event)}\n`);
}

function encode(event) {
  return JSON.stringify({
    type: "stream_event",
    event,
    session_id,
    parent_tool_use_id: null,
    uuid: "7f7c8a52-0000-4000-8000-000000000000",
  });
}

function print(value) {
  process.stdout.write(`${JSON.stringify(value)}\n`);
}
