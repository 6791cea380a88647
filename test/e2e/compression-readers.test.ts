/** Who reads a log while it is being compressed notices nothing of it. */
import { existsSync, truncateSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { putEndedSession } from "../support/ended-session.ts";
import { eventually } from "../support/eventually.ts";
import { openSocket, startDaemon } from "../support/start-daemon.ts";
import { type TempDir, tempDir } from "../support/temp-dir.ts";

let dir: TempDir;
let dataDir: string;
beforeEach(async () => {
  dir = await tempDir();
  dataDir = join(dir.path, "data");
});
afterEach(() => dir.remove());

const policy = ["--compress-days", "0"];
const idOf = (n: number) => `00000000-0000-4000-8000-${String(n).padStart(12, "0")}`;
function* words(bytes: number) {
  for (let at = 0; at < bytes; at += 1000) yield { type: "stdout", data: { text: `${at} ${"word ".repeat(190)}` } };
}

/** Whether an answer has the last line in it; what it has instead where not. */
const endOf = (text: string) => (text.includes('"type":"exit"') ? "whole" : text);

test("each door finds each log at each moment of its compression", async () => {
  const logs = Array.from({ length: 300 }, (_, n) => ({
    id: idOf(n),
    path: putEndedSession(dataDir, idOf(n), words(4000)),
  }));
  const daemon = await startDaemon({ dataDir, args: policy, config: { limits: { token_requests: 0 } } });
  const answers = new Set<string>();
  const get = async (path: string) => {
    const { status, text } = await daemon.get(path);
    answers.add(`${status} ${endOf(text)}`);
  };
  const attach = async (id: string) => {
    const socket = await openSocket({ ...daemon, id, since: 0 });
    const { code } = await socket.ended();
    answers.add(`${code} ${endOf(socket.bytes.toString())}`);
  };
  try {
    let rounds = 0;
    for (const { id, path } of logs) {
      for (; existsSync(path); rounds++) {
        const doors = ["log", "log", "log", "logs", "stream"].map((door) => get(`/sessions/${id}/${door}`));
        await Promise.all([...doors, attach(id)]);
      }
    }
    // It was looked while there was something to be seen.
    expect(rounds).toBeGreaterThan(20);
    expect([...answers].sort()).toEqual(["1000 whole", "200 whole"]);
  } finally {
    await daemon.stop();
  }
}, 120_000);

test("gc that only looks does not wait for the compression that is under way", async () => {
  const log = putEndedSession(dataDir, idOf(1), words(96 * 1024 * 1024));
  const daemon = await startDaemon({ dataDir, args: policy });
  try {
    await eventually(() => existsSync(join(dataDir, "compressing")), { everyMs: 1, what: "a compression" });
    const { body } = await daemon.post("/gc", { dry_run: true });
    expect(body).toMatchObject({ dry_run: true, compressed: [{ session_id: idOf(1) }] });
    // It has answered before that was done.
    expect([existsSync(log), existsSync(join(dataDir, "compressing"))]).toEqual([true, true]);
  } finally {
    await daemon.stop();
  }
}, 60_000);

test("a session whose compressed log cannot be read is shown all the same, and only its log is refused", async () => {
  const log = putEndedSession(dataDir, idOf(1), words(4000));
  const daemon = await startDaemon({ dataDir, args: policy });
  try {
    await eventually(() => !existsSync(log), { what: "the end of the compression" });
    const before = (await daemon.get(`/sessions/${idOf(1)}`)).body;
    truncateSync(`${log}.gz`, 100);
    expect((await daemon.get(`/sessions/${idOf(1)}`)).body).toEqual(before);
    const { status, body } = await daemon.get(`/sessions/${idOf(1)}/logs`);
    expect([status, body.error]).toEqual([500, "internal"]);
  } finally {
    await daemon.stop();
  }
});
