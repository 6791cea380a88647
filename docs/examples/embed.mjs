// A program with a web server of its own and agents in it: the daemon is part of this process, and its API stands below /agents.
// Usage: node embed.mjs DATA_DIR [PORT]
import { createDaemon } from "agentruntime";
import fastify from "fastify";

const [dataDir, port = "3000"] = process.argv.slice(2);
const daemon = createDaemon({ dataDir, config: JSON.parse(process.env.AGENTRUNTIME_CONFIG ?? "{}") });
await daemon.start();

const app = fastify();
app.get("/", async () => ({ sessions: (await daemon.sessions.list()).map(({ session_id }) => session_id) }));
await app.register(daemon.plugin, { prefix: "/agents" });
console.log(await app.listen({ port: Number(port) }));

process.once("SIGTERM", async () => {
  // First, so that its clients are told. Sessions go on, and the next start of this program takes over.
  await daemon.stop();
  await app.close();
});
