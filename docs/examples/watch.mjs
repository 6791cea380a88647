// Watches a session and can be stopped and started at will: it goes on behind the last line it has seen, and misses
// nothing. What it shows while it is ended may come once more.
// Usage: node watch.mjs SESSION [OFFSET_FILE]
import { readFile, rename, writeFile } from "node:fs/promises";
import { createClient } from "agentruntime/client";

const [ref, file = `${ref}.offset`] = process.argv.slice(2);
if (!ref) {
  console.error("Usage: node watch.mjs SESSION [OFFSET_FILE]");
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
const since = Number(await readFile(file, "utf8").catch(() => "0"));

for await (const event of client.sessions.at(ref).events({ since })) {
  console.log(event.seq, event.type);
  // Whole or not at all, whenever this program is ended.
  await writeFile(`${file}.new`, String(event.offset));
  await rename(`${file}.new`, file);
}
