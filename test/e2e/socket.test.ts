import { readFileSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { eventually } from "../support/eventually.ts";
import { type Daemon, startDaemon } from "../support/start-daemon.ts";

const node = (name: string, ...args: string[]) => ({
  command: process.execPath,
  args: [new URL(`../fixtures/agents/${name}`, import.meta.url).pathname, ...args],
});

let daemon: Daemon;
let id: string;
beforeAll(async () => {
  daemon = await startDaemon({
    config: { agents: { echo: node("echo.mjs") }, limits: { client_stall: "1s", ring_bytes: 65536 } },
  });
  id = await create();
});
afterAll(async () => {
  await daemon?.stop();
});

async function create(): Promise<string> {
  const { body, status, text } = await daemon.post("/sessions", { agent: "echo", interactive: true });
  expect(status, text).toBe(201);
  return body.session_id;
}

async function expectUntouched(): Promise<void> {
  expect((await daemon.get(`/sessions/${id}`)).body).toMatchObject({ status: "running", turn_count: 0, queue: [] });
}

describe("a frame that cannot be used is answered and changes nothing:", () => {
  const frames: [string, string, string][] = [
    ["no JSON", "hello", "invalid_frame"],
    ["an empty one", "", "invalid_frame"],
    ["null", "null", "unknown_frame"],
    ["a list", "[]", "unknown_frame"],
    ["no type", "{}", "unknown_frame"],
    ["an unknown type", '{"type":"reboot"}', "unknown_frame"],
    ["a type that is a number", '{"type":5}', "unknown_frame"],
    ["a type that every object has", '{"type":"constructor"}', "unknown_frame"],
    ["data of the wrong type", '{"type":"prompt","data":5}', "invalid_frame"],
    ["a prompt with NUL", '{"type":"prompt","data":"a\\u0000"}', "invalid_frame"],
    ["a prompt with half an emoji", '{"type":"prompt","data":"\\ud83d"}', "invalid_frame"],
    ["context without anything", '{"type":"context"}', "invalid_frame"],
    ["a mention without a file", '{"type":"mention","mention":{}}', "invalid_frame"],
    ["withdrawing what never was", '{"type":"withdraw","turn_id":"t99"}', "turn_not_found"],
  ];
  test.each(frames)("%s", async (_, frame, code) => {
    const client = await daemon.ws(id);
    client.send(frame);
    expect(await client.frame("error")).toEqual({ type: "error", code, error: expect.stringMatching(/^[^\n✖]{10,}$/) });
    client.send({ type: "ping" });
    expect(await client.frame("pong")).toEqual({ type: "pong" });
    await client.close();
    await expectUntouched();
  });

  test("an empty prompt and a resize are taken without a word", async () => {
    const client = await daemon.ws(id);
    for (const frame of [
      { type: "stdin", data: "" },
      { type: "stdin" },
      { type: "prompt", data: "\n" },
      { type: "resize", cols: 80, rows: 24 },
    ])
      client.send(frame);
    client.send({ type: "ping" });
    await client.frame("pong");
    expect(client.frames.map(({ type }) => type)).toEqual(["connected", "pong"]);
    await client.close();
    await expectUntouched();
  });

  test("one over 8 MiB closes with 1009, and only its sender", async () => {
    const [client, other] = await Promise.all([daemon.ws(id), daemon.ws(id)]);
    client.send(JSON.stringify({ type: "prompt", data: "x".repeat(8 * 1024 * 1024) }));
    expect((await client.ended()).code).toBe(1009);
    other.send({ type: "ping" });
    await other.frame("pong");
    await other.close();
    await expectUntouched();
  });

  test("one of 100 MB ends its sender's connection, without being taken into memory", async () => {
    const before = peakMemory();
    const client = await daemon.ws(id);
    client.send(JSON.stringify({ type: "prompt", data: "x".repeat(100 * 1024 * 1024) }));
    // Who is still writing when the connection is closed may not get to read the code.
    expect([1009, 1006]).toContain((await client.ended()).code);
    if (before !== undefined) expect((peakMemory() ?? 0) - before).toBeLessThan(64 * 1024 * 1024);
    await expectUntouched();
  });
});

describe("since", () => {
  test.each(["-1", "x", "1.5", "", "9".repeat(30)])("%j is live only", async (since) => {
    const full = await create();
    await daemon.post(`/sessions/${full}/prompt`, { text: "a" });
    await eventually(async () => (await daemon.get(`/sessions/${full}/logs`)).text.includes("echo: a"));
    await eventually(async () => (await daemon.get(`/sessions/${full}`)).body.turn_count === 1);
    const client = await daemon.ws(`${full}?since=${since}`);
    expect(await client.frame("connected")).toEqual({ type: "connected", session_id: full, mode: "pipe" });
    expect(client.frames).toHaveLength(1);
    await client.close();
    await daemon.delete(`/sessions/${full}`);
  });

  test("past the end goes on from the end", async () => {
    const client = await daemon.ws(id, 1_000_000_000);
    expect((await client.frame("connected")).session_id).toBe(id);
    expect(client.frames).toHaveLength(1);
    await client.close();
  });
});

test("1,000 frames at once are each answered, or the client is closed; the queue is whole", async () => {
  const session = await create();
  const client = await daemon.ws(session);
  client.send({ type: "prompt", data: "lines 3000" });
  for (let i = 1; i < 1000; i++) client.send({ type: "prompt", data: `p${i}` });
  const settled = () => client.frames.filter(({ type }) => type === "accepted" || type === "error").length;
  await eventually(() => settled() === 1000 || client.closed, { what: "an answer to each" });
  const accepted = client.frames.flatMap((frame) => (frame.type === "accepted" ? [frame.turn_id] : []));
  const errors = client.frames.flatMap((frame) => (frame.type === "error" ? [frame.code] : []));
  expect(new Set(errors).size <= 1 ? [...new Set(errors)] : errors).toEqual(errors.length === 0 ? [] : ["queue_full"]);
  const results = async () => {
    const { text } = await daemon.get(`/sessions/${session}/logs`);
    const lines = text
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line));
    return lines.filter(({ type }) => type === "result").map(({ data }) => data.turn_id);
  };
  await eventually(async () => (await results()).length >= accepted.length, { everyMs: 200, what: "all results" });
  expect(await results()).toEqual(accepted);
  await client.close();
  await daemon.delete(`/sessions/${session}`);
});

test.skipIf(process.platform !== "linux")(
  "a client that does not read is closed after --client-stall, and costs the others nothing",
  async () => {
    const session = await create();
    const stalled = await rawClient(session);
    const other = await daemon.ws(session, 0);
    const before = peakMemory() ?? 0;
    for (let i = 0; i < 10; i++) await daemon.post(`/sessions/${session}/prompt`, { text: "lines 20000" });
    const size = async () => (await daemon.get(`/sessions/${session}`)).body.log_bytes;
    await eventually(async () => (await size()) > 40_000_000, { deadlineMs: 30_000, what: "a log of 40 MB" });
    await eventually(() => !stalled.isEstablished(), { what: "the close of the one that does not read" });
    await eventually(async () => (await size()) === other.offset, {
      deadlineMs: 30_000,
      what: "the other's being up to date",
    });
    expect(other.closed).toBeUndefined();
    expect((peakMemory() ?? 0) - before).toBeLessThan(128 * 1024 * 1024);
    stalled.socket.destroy();
    await other.close();
    await daemon.delete(`/sessions/${session}`);
  },
);

test("clients of a session that ends, or is deleted, get the exit and a close", async () => {
  const session = await create();
  const [one, two] = await Promise.all([daemon.ws(session, 0), daemon.ws(session)]);
  await daemon.post(`/sessions/${session}/prompt`, { text: "exit 4" });
  for (const client of [one, two]) {
    expect(await client.frame("exit")).toEqual({ type: "exit", exit_code: 4 });
    expect(await client.ended()).toEqual({ code: 1000, reason: "the session has ended" });
    expect(client.events.at(-1)).toMatchObject({ type: "exit", exit_code: 4 });
  }
  const late = await daemon.ws(session, 0);
  await late.ended();
  expect(late.bytes.equals(one.bytes)).toBe(true);
  await daemon.delete(`/sessions/${session}`);
  await expect(daemon.ws(session)).rejects.toThrow("404");
});

test("plain HTTP on the socket's address is 426", async () => {
  expect(await daemon.get(`/ws/sessions/${id}`)).toMatchObject({ status: 426, body: { error: "upgrade_required" } });
});

/** The most that the daemon ever had in memory; undefined where there is no /proc. */
function peakMemory(): number | undefined {
  try {
    const found = /VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${daemon.pid}/status`, "utf8"));
    return found ? Number(found[1]) * 1024 : undefined;
  } catch {
    return undefined;
  }
}

/** A client that asks for everything and then leaves it all in the kernel's hands. */
async function rawClient(session: string): Promise<{ socket: Socket; isEstablished(): boolean }> {
  const { hostname, port } = new URL(daemon.url);
  const socket = connect(Number(port), hostname);
  await new Promise((resolve) => socket.once("connect", resolve));
  const head = [
    `GET /ws/sessions/${session}?since=0 HTTP/1.1`,
    `Host: ${hostname}:${port}`,
    `Authorization: Bearer ${daemon.token}`,
    "Connection: Upgrade",
    "Upgrade: websocket",
    "Sec-WebSocket-Version: 13",
    `Sec-WebSocket-Key: ${Buffer.alloc(16).toString("base64")}`,
  ];
  socket.write(`${head.join("\r\n")}\r\n\r\n`);
  await new Promise((resolve) => socket.once("data", resolve));
  socket.pause();
  socket.on("error", () => {});
  const local = `:${(socket.localPort ?? 0).toString(16).toUpperCase().padStart(4, "0")}`;
  // The daemon's end of it: what it wrote last may still wait behind our closed window.
  const isEstablished = () =>
    readFileSync("/proc/net/tcp", "latin1")
      .split("\n")
      .map((line) => line.trim().split(/\s+/))
      .some(([, , to, state]) => to?.endsWith(local) === true && state === "01");
  return { socket, isEstablished };
}
