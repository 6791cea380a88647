// An agent that speaks ACP over stdio and answers each prompt with COUNT pieces of text as fast as the pipe takes them.
// Called as `opencode`, it passes for one: its COUNT is in ACP_FLOOD then.
import { createInterface } from "node:readline";

if (process.argv.includes("--version")) {
  console.log("1.18.33");
  process.exit(0);
}
const count = Number(process.env["ACP_FLOOD"] ?? process.argv[2]);
const sessionId = "ses_bench";
const piecesPerBlock = 300;

for await (const line of createInterface({ input: process.stdin })) {
  if (line.trim() === "") continue;
  const { id, method } = JSON.parse(line);
  if (method === "initialize") answer(id, { protocolVersion: 1, agentCapabilities: {}, authMethods: [] });
  else if (method === "session/new") answer(id, { sessionId });
  else if (method === "session/prompt") await turn(id);
  else if (id !== undefined) answer(id, {});
}

async function turn(id) {
  const block = `${piece("lorem ipsum ")}\n`.repeat(piecesPerBlock);
  for (let sent = 0; sent < count; sent += piecesPerBlock) {
    if (!process.stdout.write(block)) await new Promise((resolve) => process.stdout.once("drain", resolve));
  }
  process.stdout.write(`${piece("flood-end")}\n`);
  answer(id, { stopReason: "end_turn" });
}

function piece(text) {
  const update = { sessionUpdate: "agent_message_chunk", content: { type: "text", text } };
  return JSON.stringify({ jsonrpc: "2.0", method: "session/update", params: { sessionId, update } });
}

function answer(id, result) {
  process.stdout.write(`${JSON.stringify({ jsonrpc: "2.0", id, result })}\n`);
}
