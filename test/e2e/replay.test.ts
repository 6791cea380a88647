import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import WebSocket from "ws";
import type { ServerFrame } from "../../src/protocol/frame.ts";
import { eventually } from "../support/eventually.ts";
import { type Daemon, startDaemon } from "../support/start-daemon.ts";
import { LogCheck } from "../tools/log-check.ts";

const eventCount = 200_000;
const readerCount = 16;
const numbers = fileURLToPath(new URL("../fixtures/agents/numbers.mjs", import.meta.url));

let daemon: Daemon;
beforeAll(async () => {
  daemon = await startDaemon({
    config: { agents: { numbers: { command: process.execPath, args: [numbers, String(eventCount), "20"] } } },
  });
});
afterAll(() => daemon.stop());

/** A small generator of repeatable numbers in [0, 1). */
function randomOf(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

/** Reads a session from a random offset to its end, dropping, stalling and reconnecting as it goes. */
async function restlessReader(
  id: string,
  seed: number,
): Promise<{ since: number; bytes: Buffer; connections: number; areWholeLines: boolean }> {
  const random = randomOf(seed);
  const { log_bytes } = (await daemon.get(`/sessions/${id}`)).body;
  const since = Math.floor(random() * (Number(log_bytes) + 1));
  const chunks: Buffer[] = [];
  let cursor = since;
  let connections = 0;
  let isOver = false;
  let areWholeLines = true;
  while (!isOver) {
    connections += 1;
    let left = 20 + Math.floor(random() * 200);
    await new Promise<void>((resolve) => {
      const socket = new WebSocket(`${daemon.url.replace("http", "ws")}/ws/sessions/${id}?since=${cursor}`, {
        headers: { authorization: `Bearer ${daemon.token}` },
        perMessageDeflate: false,
      });
      let isFirst = true;
      let isDone = false;
      socket.on("message", (data) => {
        if (isDone) return;
        const frame = JSON.parse(String(data)) as ServerFrame;
        if (frame.type === "exit") isOver = true;
        if (frame.type !== "replay" && frame.type !== "stdout") return;
        const bytes = Buffer.from(frame.data, frame.type === "replay" ? "base64" : "utf8");
        if (frame.offset !== cursor + bytes.length) areWholeLines = false;
        if (bytes.at(-1) !== 0x0a || (!isFirst && bytes[0] !== 0x7b)) areWholeLines = false;
        isFirst = false;
        chunks.push(bytes);
        cursor = frame.offset;
        left -= 1;
        if (left === 0) {
          isDone = true;
          socket.terminate();
        } else if (random() < 0.02) {
          socket.pause();
          setTimeout(() => socket.resume(), random() * 100);
        }
      });
      socket.on("error", () => {
        // `close` follows; the loop connects again.
      });
      socket.on("close", () => resolve());
    });
  }
  return { since, bytes: Buffer.concat(chunks), connections, areWholeLines };
}

describe("replay under load", () => {
  it("gives every restless reader exactly the bytes of the log from its since", { timeout: 180_000 }, async () => {
    const { body } = await daemon.post("/sessions", { agent: "numbers", prompt: "go" });
    const id = String(body.session_id);
    const readers: ReturnType<typeof restlessReader>[] = [];
    for (let n = 0; n < readerCount; n++) {
      await eventually(
        async () =>
          Number((await daemon.get(`/sessions/${id}`)).body.last_seq) >= (n * eventCount) / (readerCount * 1.2),
        { deadlineMs: 120_000 },
      );
      readers.push(restlessReader(id, n + 1));
    }
    const read = await Promise.all(readers);
    const path = String((await daemon.get(`/sessions/${id}`)).body.log_file);
    const log = readFileSync(path);
    for (const { since, bytes, areWholeLines } of read) {
      expect(bytes.equals(log.subarray(since))).toBe(true);
      expect(areWholeLines).toBe(true);
    }
    expect(read.reduce((sum, { connections }) => sum + connections, 0)).toBeGreaterThan(readerCount);
    const seen = log
      .toString("utf8")
      .split("\n")
      .flatMap((line) => /"text":"number (\d+) /.exec(line)?.[1] ?? []);
    expect(seen.length).toBe(eventCount);
    expect(seen.every((text, index) => Number(text) === index)).toBe(true);
    const check = new LogCheck();
    check.push(log);
    expect(check.end().faults).toEqual([]);
  });

  it("reads the same bytes by polling", async () => {
    const { body } = await daemon.post("/sessions", { agent: "numbers", prompt: "go" });
    let cursor = 0;
    let text = "";
    for (;;) {
      const { status } = (await daemon.get(`/sessions/${body.session_id}`)).body;
      const answer = await daemon.get(`/sessions/${body.session_id}/logs?cursor=${cursor}&wait=5&limit=1000000`);
      text += answer.text;
      cursor = Number(answer.headers.get("agentruntime-log-cursor"));
      if (answer.text === "" && status === "completed") break;
    }
    const { log_file } = (await daemon.get(`/sessions/${body.session_id}`)).body;
    expect(text === readFileSync(log_file, "utf8")).toBe(true);
  });
});
