// The same question to several agents at once, and a table of what came of it. Usage: node many.mjs claude codex opencode
import { createClient } from "agentruntime/client";

const client = createClient({
  url: process.env.AGENTD_URL ?? "http://127.0.0.1:8090",
  token: process.env.AGENTD_TOKEN,
});
const agents = process.argv.slice(2);

const rows = await Promise.all(
  agents.map(async (agent) => {
    const session = await client.sessions.create({ agent, prompt: "Say hello in one word", tags: { example: "many" } });
    const { last, exit } = await session.result();
    return { agent, session: session.id, status: last?.status, answer: last?.text, code: exit.code };
  }),
);
console.table(rows);
