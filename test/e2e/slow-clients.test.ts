/** Clients that do not read, many at once: what waits for all of them is bounded, and who reads is served. */
import { fileURLToPath } from "node:url";
import { expect, onTestFinished, test } from "vitest";
import WebSocket from "ws";
import { eventually } from "../support/eventually.ts";
import { startDaemon } from "../support/start-daemon.ts";

const mebibyte = 1024 * 1024;
const bytesMax = 4 * mebibyte;
const slowOnes = 40;
/** What one may have in any case: 16 KiB, and a portion of as much log on top, which is longer as a frame. */
const leastEach = 48 * 1024;
/** So much log that it does not fit into the buffers of the sockets. */
const lines = 100_000;

test("forty clients that read nothing of a long replay hold no more than all clients may; others get all of it", async () => {
  const floods = fileURLToPath(new URL("../fixtures/agents/floods-stdout.mjs", import.meta.url));
  const daemon = await startDaemon({
    config: {
      agents: { floods: { command: process.execPath, args: [floods, String(lines)] } },
      // It is the other bounds that are met here.
      limits: { clients_bytes: bytesMax, client_stall: "1h" },
    },
  });
  onTestFinished(async () => void (await daemon.stop()));
  const { body } = await daemon.post("/sessions", { agent: "floods", prompt: "go" });
  const path = `/sessions/${body.session_id}`;
  const logBytes = await eventually(
    async () => {
      const { end_reason, log_bytes } = (await daemon.get(path)).body;
      return end_reason !== undefined && Number(log_bytes);
    },
    { deadlineMs: 90_000, what: "the end" },
  );
  let most = 0;
  const held = async () => {
    const { text } = await daemon.get("/metrics");
    const now = Number(/^agentruntime_client_waiting_bytes (\d+)$/m.exec(text)?.[1]);
    most = Math.max(most, now);
    return now;
  };

  const slow: WebSocket[] = [];
  for (let n = 0; n < slowOnes; n++) {
    const socket = new WebSocket(`${daemon.url.replace(/^http/, "ws")}/ws${path}?since=0`, {
      headers: { authorization: `Bearer ${daemon.token}` },
      perMessageDeflate: false,
    });
    slow.push(socket);
    await new Promise<void>((resolve, reject) => {
      socket.once("error", reject);
      socket.once("open", () => {
        socket.pause();
        resolve();
      });
    });
  }
  await eventually(async () => (await held()) > bytesMax / 2, {
    deadlineMs: 60_000,
    what: "clients that hold something",
  });

  const reading = await daemon.ws(body.session_id, 0);
  expect((await reading.ended(60_000)).code).toBe(1000);
  expect(reading.bytes.length).toBe(logBytes);
  const events = await daemon.get(`${path}/events?since=0`);
  expect(events.text.match(/"type":"stdout"/g)?.length).toBe(lines);
  await held();
  expect(most).toBeLessThan(bytesMax + slowOnes * leastEach);

  for (const socket of slow) socket.terminate();
  await eventually(async () => (await held()) === 0, { what: "nothing that waits for those who are gone" });
}, 240_000);
