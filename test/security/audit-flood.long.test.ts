/** Who may change nothing floods the audit log. */
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { AuditEntry } from "../../src/protocol/access.ts";
import { eventually } from "../support/eventually.ts";
import { type Daemon, openSocket, requests, startDaemon } from "../support/start-daemon.ts";
import { tempDir } from "../support/temp-dir.ts";

const agents = {
  echo: { command: process.execPath, args: [new URL("../fixtures/agents/echo.mjs", import.meta.url).pathname] },
};
const entries = async (from: Daemon): Promise<AuditEntry[]> => (await from.get("/audit?limit=10000")).body;

/** A full year of one file, but for room for a few lines, and older files that the next rotation would push on. */
async function filledDataDir(path: string): Promise<{ dataDir: string; first: string }> {
  const dataDir = join(path, "data");
  await mkdir(dataDir, { mode: 0o700 });
  const line = (seq: number) =>
    `${JSON.stringify({ seq, at: new Date(0).toISOString(), caller: "old", act: "gc", from: "unix", by: "http" })}\n`;
  let text = "";
  for (let seq = 1; text.length < 8 * 1024 * 1024 - 4096; seq++) text += line(seq);
  await writeFile(join(dataDir, "audit.ndjson"), text);
  for (const age of [1, 2, 3, 4]) await writeFile(join(dataDir, `audit.${age}.ndjson`), `of age ${age}\n`);
  return { dataDir, first: line(1) };
}

/** So many at a time, each begun when one is over. */
async function times(count: number, act: () => Promise<unknown>): Promise<void> {
  let left = count;
  const worker = async () => {
    while (left-- > 0) await act();
  };
  await Promise.all(Array.from({ length: 20 }, worker));
}

test("100,000 things that a reader reads, gets or is refused push no change out, and are counted", async () => {
  const dir = await tempDir();
  const { dataDir, first } = await filledDataDir(dir.path);
  const own = await startDaemon({ dataDir, config: { agents, limits: { token_requests: 0 } } });
  const flooder = (await own.post("/tokens", { name: "flooder", scope: "read" })).body.token;
  const { session_id } = (await own.post("/sessions", { agent: "echo", interactive: true })).body;
  const asFlooder = requests(own.url, flooder);
  await times(300, () => asFlooder.post("/sessions", { agent: "echo" }));
  await times(300, () => asFlooder.post("/tickets", { session_id }));
  await times(400, () => asFlooder.get("/sessions"));
  const socket = await openSocket({ url: own.url, token: flooder, id: session_id });
  await socket.frame("connected");
  const before = socket.frames.length;
  const framesAtOnce = 900;
  for (let sent = 0; sent < 99_000; ) {
    for (let n = 0; n < framesAtOnce; n++) socket.send('{"type":"prompt","data":"x"}');
    sent += framesAtOnce;
    await eventually(() => socket.frames.length - before >= sent);
  }
  await socket.close();
  await own.post(`/sessions/${session_id}/stop`);
  const changes = async () =>
    (await entries(own)).filter(({ caller, error }) => caller === "token-file" && error === undefined);
  await eventually(async () => (await changes()).length === 3);
  expect((await changes()).map(({ act }) => act)).toEqual(["token_create", "create", "stop"]);
  await own.stop();
  expect((await readFile(join(dataDir, "audit.ndjson"), "utf8")).startsWith(first)).toBe(true);
  for (const age of [1, 2, 3, 4])
    expect(await readFile(join(dataDir, `audit.${age}.ndjson`), "utf8")).toBe(`of age ${age}\n`);
  const unchanged = (await readFile(join(dataDir, "audit-unchanged.ndjson"), "utf8")).trim().split("\n");
  expect(unchanged.length).toBeLessThan(200);
  const counts: Record<string, number> = {};
  for (const line of unchanged) {
    const { caller, act, error = "", repeated = 1 }: AuditEntry = JSON.parse(line);
    const kind = `${caller} ${act} ${error}`;
    counts[kind] = (counts[kind] ?? 0) + repeated;
  }
  expect(counts).toEqual({
    "flooder create insufficient_scope": 300,
    "flooder ticket ": 300,
    "flooder prompt insufficient_scope": 99_000,
  });
  await dir.remove();
}, 240_000);
