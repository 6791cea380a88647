// Three turns of one conversation, each with what it cost. Usage: node turns.mjs
import { createClient } from "agentruntime/client";

const client = createClient({
  url: process.env.AGENTD_URL ?? "http://127.0.0.1:8090",
  token: process.env.AGENTD_TOKEN,
});
const session = await client.sessions.create({ agent: process.env.AGENT ?? "claude", interactive: true });

for (const text of ["Name a colour", "And a fruit of it", "Now both in one sentence"]) {
  const turn = await session.prompt(text);
  const { status, text: answer, cost_usd: cost } = await turn.result();
  console.log(`${turn.id} ${status} (${cost === null ? "cost unknown" : `$${cost.toFixed(4)}`}): ${answer ?? ""}`);
}
await session.stop("drain");
const { exit } = await session.result();
console.log(`the agent left with code ${exit.code}`);
