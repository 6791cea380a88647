/** A data dir with one ended session whose log is as long as one likes. */
import { createWriteStream } from "node:fs";
import { readFile, rename } from "node:fs/promises";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { type Daemon, startDaemon } from "../support/start-daemon.ts";

/** Lines as an agent of 150-byte lines makes them, `exit` last; the numbers go on as the daemon's would. */
export async function makeLongLog(dataDir: string, bytes: number): Promise<{ id: string; bytes: number }> {
  const daemon = await startDaemon({
    dataDir,
    config: { agents: { one: { harness: "generic", command: "sh", args: ["-c", "echo only; cat"] } } },
  });
  const id = await endedSession(daemon);
  await daemon.leave();
  const log = join(dataDir, "sessions", id, "events.ndjson");
  const lines = (await readFile(log, "utf8")).trimEnd().split("\n");
  const model = lines.find((line) => line.includes('"type":"stdout"')) ?? "";
  const exit = lines.pop() ?? "";
  const numbers = /"sidecar_seq":(\d+),"seq":(\d+)/.exec(lines.at(-1) ?? "");
  if (!numbers || model === "") throw new Error(`Cannot lengthen this log: ${lines.join("\n")}`);
  let written = 0;
  async function* chunks() {
    let [sidecarSeq, seq] = [Number(numbers?.[1]), Number(numbers?.[2])];
    const numbered = (line: string) =>
      line.replace(/"sidecar_seq":\d+,"seq":\d+/, `"sidecar_seq":${++sidecarSeq},"seq":${++seq}`);
    const text = `${"lorem ipsum dolor sit amet ".repeat(5)}end`;
    const long = model.replace("only", text);
    yield `${lines.join("\n")}\n`;
    while (written < bytes) {
      let chunk = "";
      for (let i = 0; i < 2_000; i++) chunk += `${numbered(long)}\n`;
      written += chunk.length;
      yield chunk;
    }
    yield `${numbered(exit)}\n`;
  }
  await pipeline(chunks, createWriteStream(`${log}.long`, { mode: 0o600 }));
  await rename(`${log}.long`, log);
  return { id, bytes: written };
}

async function endedSession(daemon: Daemon): Promise<string> {
  const { body, text } = await daemon.post("/sessions", { agent: "one", prompt: "go" });
  if (!body?.session_id) throw new Error(`Cannot start a session: ${text}`);
  const client = await daemon.ws(body.session_id, 0);
  await client.ended();
  return body.session_id;
}
