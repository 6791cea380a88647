/** What a sidecar keeps for those who ask and do not read: so much, by number, and then no more. */
import { afterEach, beforeEach, expect, it } from "vitest";
import { linkCloseCode } from "../../sidecar/daemon-link.ts";
import { spoolBytesOf } from "../../src/process/spool-reader.ts";
import { eventually } from "../support/eventually.ts";
import {
  bootstrapFor,
  endSidecar,
  fakeAgent,
  type RunningSidecar,
  startByHand,
  startForDaemon,
  TestClient,
  TestLink,
} from "../support/sidecar.ts";
import { type TempDir, tempDir } from "../support/temp-dir.ts";

const started: RunningSidecar[] = [];
const clients: (TestClient | TestLink)[] = [];
let dir: TempDir;

beforeEach(async () => {
  dir = await tempDir();
});
afterEach(async () => {
  for (const client of clients.splice(0)) client.socket.terminate();
  await Promise.all(started.splice(0).map(endSidecar));
  await dir.remove();
});

it("a link that asks 5,000 times and reads no answer is closed; the next one misses no line", async () => {
  const bootstrap = bootstrapFor(dir.path, fakeAgent("floods-stdout", "200000"));
  started.push(await startForDaemon(bootstrap));
  const link = new TestLink(bootstrap, 0);
  clients.push(link);
  await link.opened();
  link.socket.pause();
  // What the sidecar holds for a link before it stops reading its agent, all of it unread.
  await eventually(async () => (await spoolBytesOf(dir.path)) > 4 * 1024 * 1024, { what: "a full link" });
  for (let n = 0; n < 5000; n++)
    link.socket.send(JSON.stringify({ type: "interrupt", data: { reason: "user" }, id: `${n}` }));
  // Longer than it takes to be closed: what comes now finds nobody.
  await eventually(() => link.socket.bufferedAmount === 0, { what: "all questions on their way" });
  link.socket.resume();
  expect(await link.closed).toBe(linkCloseCode.unread);
  expect(link.frames.filter(({ type }) => type === "reply").length).toBeLessThan(5000);
  const next = new TestLink(bootstrap, link.lastSeq);
  clients.push(next);
  let isOver = false;
  next.onLine = (line) => {
    isOver ||= line.startsWith('{"type":"exit"');
  };
  await next.opened();
  next.send("stop", { reason: "deleted" });
  await eventually(() => isOver, { what: "the exit", deadlineMs: 60_000 });
  expect([...link.faults, ...next.faults]).toEqual([]);
  next.send("ack", { sidecar_seq: next.lastSeq });
}, 120_000);

it("a client of a sidecar started by hand that sends on and reads no refusal is closed, another one goes on", async () => {
  const sidecar = await startByHand({ command: ["cat"] });
  started.push(sidecar);
  const [flooding, other] = [new TestClient(sidecar.origin), new TestClient(sidecar.origin)];
  clients.push(flooding, other);
  await Promise.all([flooding.opened(), other.opened()]);
  flooding.socket.pause();
  for (let n = 0; n < 300_000; n++) flooding.socket.send('{"type":"x"}');
  await eventually(() => flooding.socket.bufferedAmount === 0, { what: "all of it on its way", deadlineMs: 60_000 });
  flooding.socket.resume();
  expect(await flooding.closed).toBe(1013);
  const refusals = flooding.events.filter(({ type }) => type === "error").length;
  expect(refusals).toBeGreaterThan(0);
  expect(refusals).toBeLessThan(300_000);
  other.socket.send(JSON.stringify({ type: "prompt", data: { content: "still here" } }));
  await other.event("stdout", ({ data }) => data["text"] === "still here");
}, 120_000);

it("commands of one client that wait for the agent's start are bounded: past 1,000 it is closed", async () => {
  const config = { hooks: { pre_init: { command: ["sleep", "5"] } } };
  const sidecar = await startByHand({ command: ["cat"], env: { AGENT_CONFIG: JSON.stringify(config) } });
  started.push(sidecar);
  const client = new TestClient(sidecar.origin);
  clients.push(client);
  await client.opened();
  for (let n = 0; n < 3000; n++) client.socket.send(JSON.stringify({ type: "prompt", data: { content: `p${n}` } }));
  expect(await client.closed).toBe(1013);
});
