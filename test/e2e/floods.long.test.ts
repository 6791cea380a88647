/** Floods through every door: what is too much is refused or closed, by number, and nobody else notices. */
import { readFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, it } from "vitest";
import WebSocket from "ws";
import type { LoggedEvent } from "../support/client-socket.ts";
import { eventually } from "../support/eventually.ts";
import { type Daemon, startDaemon } from "../support/start-daemon.ts";

const fixture = (name: string) => fileURLToPath(new URL(`../fixtures/agents/${name}.mjs`, import.meta.url));
const bothCount = 40_000;

let daemon: Daemon;
beforeAll(async () => {
  daemon = await startDaemon({
    config: {
      agents: {
        echo: { command: process.execPath, args: [fixture("echo")] },
        both: { command: process.execPath, args: [fixture("floods-both"), String(bothCount)] },
        deaf: { command: "sleep", args: ["600"] },
        counts: { harness: "claude", command: fixture("claude-counts") },
      },
      // It is the other bounds that are met here.
      limits: { token_requests: 0, client_stall: "1h" },
    },
  });
});
afterAll(() => daemon.stop());

async function create(agent: string, more: Record<string, unknown> = {}): Promise<string> {
  const { body, status, text } = await daemon.post("/sessions", { agent, interactive: true, ...more });
  expect(status, text).toBe(201);
  return body.session_id;
}

/** What is in its file now. */
function logOf(id: string): LoggedEvent[] {
  const text = readFileSync(join(daemon.dataDir, "sessions", id, "events.ndjson"), "utf8");
  return text
    .split("\n")
    .slice(0, -1)
    .map((line) => JSON.parse(line));
}

/** A session that has nothing to do with the flood does what it is asked. */
async function expectGoesOn(id: string, text: string): Promise<void> {
  expect((await daemon.post(`/sessions/${id}/prompt`, { text })).status).toBe(202);
  await eventually(async () => (await daemon.get(`/sessions/${id}/logs`)).text.includes(`echo: ${text}`), {
    what: `the answer to ${text}`,
    deadlineMs: 60_000,
  });
}

async function clientsConnected(): Promise<number> {
  const { text } = await daemon.get("/metrics");
  return Number(/^agentruntime_clients (\d+)$/m.exec(text)?.[1]);
}

it("5,000 sockets that do nothing on one session: each hears what happens there, and another session goes on", async () => {
  const [crowded, other] = [await create("echo"), await create("echo")];
  const sockets: WebSocket[] = [];
  let heard = 0;
  const open = () =>
    new Promise<void>((resolve, reject) => {
      const socket = new WebSocket(`${daemon.url.replace(/^http/, "ws")}/ws/sessions/${crowded}`, {
        headers: { authorization: `Bearer ${daemon.token}` },
        perMessageDeflate: false,
      });
      sockets.push(socket);
      socket.on("message", (data) => {
        if (String(data).includes("echo: to all")) heard += 1;
      });
      socket.once("open", resolve);
      socket.once("error", reject);
    });
  for (let n = 0; n < 5000; n += 100) await Promise.all(Array.from({ length: 100 }, open));
  expect(await clientsConnected()).toBe(5000);
  await expectGoesOn(other, "beside the crowd");
  await expectGoesOn(crowded, "to all");
  await eventually(() => heard === 5000, { what: "the answer at each of them", deadlineMs: 60_000 });
  for (const socket of sockets) socket.terminate();
  await eventually(async () => (await clientsConnected()) === 0, { what: "their end", deadlineMs: 60_000 });
  await Promise.all([daemon.delete(`/sessions/${crowded}`), daemon.delete(`/sessions/${other}`)]);
}, 240_000);

it.each([
  ["frames that are none", (socket: WebSocket) => socket.send("no frame at all")],
  ["prompts", (socket: WebSocket) => socket.send('{"type":"prompt","data":"p"}')],
])(
  "20,000 %s at once from a client that waits for no answer: it is closed, another client is not",
  async (_, send) => {
    const id = await create("echo");
    const [flooding, other] = [await daemon.ws(id), await daemon.ws(id)];
    for (let n = 0; n < 20_000; n++) send(flooding.socket);
    expect((await flooding.ended(60_000)).code).toBe(1013);
    other.send({ type: "ping" });
    await other.frame("pong");
    expect(other.closed).toBeUndefined();
    await other.close();
    const turnsOf = (wanted: string) =>
      logOf(id)
        .filter(({ type }) => type === wanted)
        .map(({ data }) => data["turn_id"])
        .join();
    // What was taken in before the close is still carried out.
    await eventually(() => turnsOf("result") === turnsOf("user_message"), {
      what: "one result for each prompt, in their order",
      deadlineMs: 60_000,
    });
    await daemon.delete(`/sessions/${id}`);
  },
  120_000,
);

it("a client that pings on and on and reads no pong is closed for that, long before it counts as stalled", async () => {
  const id = await create("echo");
  const client = await daemon.ws(id);
  client.socket.pause();
  const payload = Buffer.alloc(125);
  let isCut = false;
  client.socket.on("close", () => (isCut = true));
  const pinging = setInterval(() => {
    if (client.socket.readyState !== WebSocket.OPEN || client.socket.bufferedAmount > 1024 * 1024) return;
    for (let n = 0; n < 5000; n++) client.socket.ping(payload);
  }, 5);
  // Our own end hears nothing while it does not read.
  await eventually(async () => (await clientsConnected()) === 0, { what: "its close", deadlineMs: 60_000 });
  clearInterval(pinging);
  client.socket.resume();
  await eventually(() => isCut, { what: "the end of the connection" });
  await expectGoesOn(id, "after the pings");
  await daemon.delete(`/sessions/${id}`);
}, 120_000);

it("an agent that floods stdout and stderr at once: every line of both is in the log, in order", async () => {
  const id = await create("both");
  await eventually(() => logOf(id).at(-1)?.type === "exit", { what: "its end", deadlineMs: 90_000 });
  const events = logOf(id);
  const wanted = Array.from({ length: bothCount }, (_, index) => `line ${index + 1}`);
  for (const stream of ["stdout", "stderr"])
    expect(events.flatMap(({ type, data }) => (type === stream ? [data["text"]] : []))).toEqual(wanted);
}, 120_000);

it("an agent that never reads its input: prompts are refused past 16 MiB, each has its one outcome, and it can be ended", async () => {
  const id = await create("deaf");
  const text = "x".repeat(1024 * 1024);
  for (let n = 0; n < 24; n++) expect((await daemon.post(`/sessions/${id}/prompt`, { text })).status).toBe(202);
  const results = () =>
    logOf(id)
      .filter(({ type }) => type === "result")
      .map(({ data }) => data);
  await eventually(() => results().length === 24, { what: "24 outcomes", deadlineMs: 60_000 });
  const statuses = results().map(({ status }) => status);
  const taken = statuses.filter((status) => status === "success").length;
  expect(taken).toBeGreaterThan(14);
  expect(taken).toBeLessThan(18);
  expect(statuses.slice(taken).every((status) => status === "error")).toBe(true);
  expect((await daemon.delete(`/sessions/${id}`)).status).toBe(200);
}, 120_000);

it("steers into a turn that does not end are refused after 1,000; when it has ended, they are taken again", async () => {
  const id = await create("counts", { permission_mode: "interactive", prompt: "steps=1 words=1 pause=0 ask=1" });
  await eventually(async () => (await daemon.get(`/sessions/${id}`)).body.inputs?.length === 1, {
    what: "its question",
  });
  const steer = (n: number) => daemon.post(`/sessions/${id}/steer`, { text: `steer ${n}` });
  const answers: { status: number; text: string }[] = [];
  for (let n = 0; n < 1200; n += 50)
    answers.push(...(await Promise.all(Array.from({ length: 50 }, (_, at) => steer(n + at)))));
  // The prompt counts too.
  expect(answers.filter(({ status }) => status === 202)).toHaveLength(999);
  const refused = answers.filter(({ status }) => status !== 202);
  expect(refused.every(({ text }) => text.includes("wait for the end of their turn"))).toBe(true);
  await daemon.post(`/sessions/${id}/interrupt`);
  await eventually(async () => (await daemon.get(`/sessions/${id}`)).body.activity === "idle", {
    what: "the end of the turn",
    deadlineMs: 60_000,
  });
  expect((await steer(5000)).status).toBe(202);
  await daemon.delete(`/sessions/${id}`);
}, 180_000);

it("thousands of small requests: each is answered, and prompts past the queue are refused", async () => {
  const id = await create("echo");
  const statuses = new Map<number, number>();
  const one = async (n: number) => {
    const { status } =
      n % 2 === 0 ? await daemon.get(`/sessions/${id}`) : await daemon.post(`/sessions/${id}/prompt`, { text: `${n}` });
    statuses.set(status, (statuses.get(status) ?? 0) + 1);
  };
  for (let n = 0; n < 4000; n += 200) await Promise.all(Array.from({ length: 200 }, (_, at) => one(n + at)));
  expect(statuses.get(200)).toBe(2000);
  expect((statuses.get(202) ?? 0) + (statuses.get(429) ?? 0)).toBe(2000);
  await daemon.delete(`/sessions/${id}`);
}, 180_000);

it("bodies of all requests together are bounded: past 256 MiB one more is refused before it is read, until others have ended", async () => {
  const id = await create("echo");
  const { hostname, port } = new URL(daemon.url);
  const head = `POST /sessions/${id}/prompt HTTP/1.1\r\nHost: ${hostname}\r\nAuthorization: Bearer ${daemon.token}\r\n`;
  const body = `Content-Type: application/json\r\nContent-Length: ${8 * 1024 * 1024}\r\n\r\n{`;
  let heard = "";
  const slow = Array.from({ length: 33 }, () => connect(Number(port), hostname));
  for (const socket of slow) {
    socket.on("error", () => undefined);
    socket.on("data", (bytes) => {
      heard += String(bytes);
    });
    socket.write(head + body);
  }
  await eventually(() => heard.startsWith("HTTP/1.1 429"), { what: "the refusal of the last one" });
  const refused = await daemon.post(`/sessions/${id}/prompt`, { text: "too many" });
  expect(refused.status).toBe(429);
  expect(refused.headers.get("retry-after")).toBe("1");
  expect(refused.body).toMatchObject({ error: "rate_limited", message: expect.stringContaining("take 256 MiB") });
  // What has no body needs no room.
  expect((await daemon.get(`/sessions/${id}`)).status).toBe(200);
  for (const socket of slow) socket.destroy();
  await eventually(async () => (await daemon.post(`/sessions/${id}/prompt`, { text: "again" })).status === 202, {
    what: "room for another body",
  });
  await daemon.delete(`/sessions/${id}`);
}, 60_000);

it("a connection that sends more than 100 requests without waiting for an answer is closed, others are served", async () => {
  const id = await create("echo");
  const { hostname, port } = new URL(daemon.url);
  const socket = connect(Number(port), hostname);
  let isClosed = false;
  socket.on("error", () => undefined);
  socket.on("close", () => (isClosed = true));
  const end = (await daemon.get(`/sessions/${id}`)).body.log_bytes;
  const head = `Host: ${hostname}\r\nAuthorization: Bearer ${daemon.token}\r\n\r\n`;
  socket.write(`GET /sessions/${id}/logs?cursor=${end}&wait=30 HTTP/1.1\r\n${head}`.repeat(1000));
  await eventually(() => isClosed, { what: "its close" });
  await expectGoesOn(id, "after the pipeline");
  await daemon.delete(`/sessions/${id}`);
}, 60_000);
