// Decides on an agent's tools by a rule of its own: reading is fine, everything else is not. Usage: node approve.mjs "Tidy up"
import { createClient } from "agentruntime/client";

const prompt = process.argv[2];
if (!prompt) {
  console.error('Usage: node approve.mjs "Tidy up"');
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
const session = await client.sessions.create({
  agent: process.env.AGENT ?? "claude",
  prompt,
  permission_mode: "interactive",
});

for await (const event of session.events()) {
  if (event.type === "input_required") {
    const { request_id, tool } = event.data;
    const isHarmless = tool?.kind === "read" || tool?.kind === "search";
    console.log(`${isHarmless ? "allowed" : "denied"}: ${tool?.name ?? event.data.message}`);
    await session.respond(
      request_id,
      isHarmless ? { decision: "approve_once" } : { decision: "deny", message: "Only reading is allowed here" },
    );
  }
  if (event.type === "result") console.log(`${event.data.status}: ${event.data.text ?? ""}`);
}
