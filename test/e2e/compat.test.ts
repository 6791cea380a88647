/** What clients of the Go daemon rely on, against `--no-auth`: they know no token. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import WebSocket from "ws";
import { eventually } from "../support/eventually.ts";
import { type Daemon, openSocket, requests, startDaemon } from "../support/start-daemon.ts";

const echo = { command: process.execPath, args: [new URL("../fixtures/agents/echo.mjs", import.meta.url).pathname] };

let daemon: Daemon;
let client: ReturnType<typeof requests>;
beforeAll(async () => {
  daemon = await startDaemon({ config: { agents: { echo } }, args: ["--no-auth"] });
  client = requests(daemon.url, "");
});
afterAll(async () => {
  await daemon?.stop();
});

const terminal = ["completed", "failed"];

async function spawn(
  more: Record<string, unknown> = {},
): Promise<{ session_id: string; ws_url: string; log_url: string }> {
  const { body, status, text } = await client.post("/sessions", { agent: "echo", prompt: "hello", ...more });
  expect(status, text).toBe(201);
  return body;
}

async function finished(id: string) {
  return eventually(async () => {
    const { body } = await client.get(`/sessions/${id}`);
    return terminal.includes(body.status) && body;
  });
}

describe("the Go client library", () => {
  test("is told where to find what it has made, by addresses that work as they are", async () => {
    const made = await spawn();
    expect(made).toMatchObject({
      session_id: expect.stringMatching(/^[0-9a-f-]{36}$/),
      agent: "echo",
      runtime: "local",
      status: expect.any(String),
    });
    const host = new URL(daemon.url).host;
    expect([made.ws_url, made.log_url]).toEqual([
      `ws://${host}/ws/sessions/${made.session_id}`,
      `http://${host}/sessions/${made.session_id}/logs`,
    ]);
    await finished(made.session_id);
    expect((await fetch(made.log_url)).status).toBe(200);
    const socket = new WebSocket(made.ws_url);
    await new Promise((resolve) => socket.once("close", resolve));
  });

  test("finds both spellings in the list, in one session and in its info", async () => {
    const { session_id } = await spawn({ tags: { a: "b" }, task_id: "task" });
    const view = await finished(session_id);
    const listed = (await client.get("/sessions")).body.find(
      (one: { session_id: string }) => one.session_id === session_id,
    );
    const { body: info } = await client.get(`/sessions/${session_id}/info`);
    for (const one of [view, listed, info]) {
      expect(one).toMatchObject({
        session_id,
        id: session_id,
        task_id: "task",
        agent: "echo",
        agent_name: "echo",
        runtime: "local",
        runtime_name: "local",
        status: "completed",
        state: "completed",
        exit_code: 0,
        tags: { a: "b" },
        created_at: expect.stringMatching(/^\d{4}-.*Z$/),
        ended_at: expect.stringMatching(/^\d{4}-.*Z$/),
      });
    }
    expect(info).toMatchObject({
      uptime: expect.stringMatching(/^\d+s$/),
      log_file: expect.any(String),
      session_dir: expect.any(String),
    });
  });

  test("polls /logs by the cursor header, to the end and no further", async () => {
    const { session_id } = await spawn({ prompt: "lines 500" });
    let text = "";
    let cursor = 0;
    await eventually(async () => {
      const answer = await client.get(`/sessions/${session_id}/logs?cursor=${cursor}`);
      expect(answer.headers.get("content-type")).toMatch(/^text\/plain/);
      text += answer.text;
      cursor = Number(answer.headers.get("agentruntime-log-cursor"));
      return text.includes('"type":"exit"');
    });
    expect(Buffer.byteLength(text)).toBe(cursor);
    expect((await client.get(`/sessions/${session_id}/log`)).text).toBe(text);
    const past = await client.get(`/sessions/${session_id}/logs?cursor=${cursor + 5}`);
    expect([past.text, past.headers.get("agentruntime-log-cursor")]).toEqual(["", String(cursor)]);
  });

  test("deletes with 2xx once, 404 after; errors have text; a slash at the end is the same route", async () => {
    const { session_id } = await spawn({ interactive: true });
    expect((await client.delete(`/sessions/${session_id}/`)).body).toEqual({ id: session_id, state: "failed" });
    const again = await client.delete(`/sessions/${session_id}`);
    expect([again.status, typeof again.body.error]).toEqual([404, "string"]);
    expect((await client.get("/sessions/")).status).toBe(200);
  });

  test("asks /health", async () => {
    expect((await client.get("/health")).body).toMatchObject({
      status: "ok",
      version: expect.any(String),
      default_runtime: "local",
      runtime: "local",
      runtimes: ["local"],
    });
  });
});

describe("attach and the terminal program", () => {
  test("see replay in base64, connected, stdout as text, exit with its code", async () => {
    const { session_id } = await spawn({ prompt: "first", interactive: true });
    await eventually(async () => (await client.get(`/sessions/${session_id}`)).body.turn_count === 1);
    await eventually(async () => (await client.get(`/sessions/${session_id}/logs`)).text.includes("echo: first"));
    const socket = await openSocket({ url: daemon.url, token: "", id: session_id, since: 0 });
    await socket.frame("connected");
    socket.send({ type: "stdin", data: "second\n" });
    await socket.event(({ data }) => data["text"] === "echo: second");
    socket.send({ type: "steer", data: "third" });
    await socket.event(({ data }) => data["text"] === "echo: third");
    socket.send(Buffer.from('{"type":"stdin","data":"exit 3"}').toString());
    await socket.ended();
    const types = socket.frames
      .map(({ type }) => type)
      .filter((type, i, all) => type !== all[i - 1] && type !== "accepted");
    expect(types.filter((type, i) => type !== types[i - 1])).toEqual(["replay", "connected", "stdout", "exit"]);
    expect(socket.frames.at(-1)).toEqual({ type: "exit", exit_code: 3 });
    for (const event of socket.events)
      expect(event).toMatchObject({ type: expect.any(String), data: expect.any(Object) });
  });

  test("may send binary messages, resize and unknown types", async () => {
    const { session_id } = await spawn({ prompt: undefined, interactive: true });
    const socket = await openSocket({ url: daemon.url, token: "", id: session_id });
    socket.socket.send(Buffer.from('{"type":"ping"}'), { binary: true });
    await socket.frame("pong");
    socket.send({ type: "resize", cols: 80, rows: 24 });
    socket.send({ type: "signal" });
    expect((await socket.frame("error")).error).toBe(
      "unknown frame type: signal; known: stdin, prompt, steer, interrupt, context, mention, withdraw, respond, ping, resize",
    );
    await client.delete(`/sessions/${session_id}`);
    expect((await socket.ended()).code).toBe(1000);
  });

  test("one client's leaving changes nothing for the others", async () => {
    const { session_id } = await spawn({ prompt: undefined, interactive: true });
    const open = () => openSocket({ url: daemon.url, token: "", id: session_id });
    const [leaver, stayer] = [await open(), await open()];
    leaver.socket.terminate();
    stayer.send({ type: "stdin", data: "still here" });
    await stayer.event(({ data }) => data["text"] === "echo: still here");
    await stayer.close();
    await client.delete(`/sessions/${session_id}`);
  });
});

describe("the dashboard", () => {
  test("finds compact lines that begin with their type, and no other blanks", async () => {
    const { session_id } = await spawn();
    await finished(session_id);
    const { text } = await client.get(`/sessions/${session_id}/logs`);
    for (const line of text.trimEnd().split("\n")) expect(JSON.stringify(JSON.parse(line))).toBe(line);
    expect(text).toMatch(/^\{"type":"user_message","data":\{/);
  });
});
