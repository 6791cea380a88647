// Asks an agent one thing and prints what it answers, as it comes. Usage: node ask.mjs "Explain this repository"
import { createClient } from "agentruntime/client";

const prompt = process.argv[2];
if (!prompt) {
  console.error('Usage: node ask.mjs "Explain this repository"');
  process.exit(2);
}
process.on("uncaughtException", ({ message }) => {
  console.error(message);
  process.exit(1);
});
const client = createClient({
  url: process.env.AGENTD_URL ?? "http://127.0.0.1:8090",
  token: process.env.AGENTD_TOKEN,
});
const session = await client.sessions.create({ agent: process.env.AGENT ?? "claude", prompt });

for await (const event of session.events()) {
  if (event.type === "agent_message" && event.data.delta) process.stdout.write(event.data.text);
  if (event.type === "tool_use") console.log(`\n[${event.data.name}]`);
  if (event.type === "exit") process.exitCode = event.data.code;
}
console.log();
