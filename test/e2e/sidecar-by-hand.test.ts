import { afterEach, describe, expect, it } from "vitest";
import { eventually } from "../support/eventually.ts";
import { endSidecar, fakeAgent, type RunningSidecar, runSidecar, startByHand, TestClient } from "../support/sidecar.ts";

const started: RunningSidecar[] = [];
const clients: TestClient[] = [];

afterEach(async () => {
  for (const client of clients.splice(0)) client.socket.terminate();
  await Promise.all(started.splice(0).map(endSidecar));
});

async function start(command: string[], env: Record<string, string> = {}) {
  const sidecar = await startByHand({ command, env });
  started.push(sidecar);
  return sidecar;
}

async function connect(origin: string, query?: string, headers?: Record<string, string>) {
  const client = new TestClient(origin, query, headers);
  clients.push(client);
  return client.opened();
}

describe("a sidecar started by hand", () => {
  it("says who it is before anybody has connected", async () => {
    const { origin } = await start(["cat"], { SESSION_ID: "s-1" });
    const response = await fetch(`http://${origin}/health`);
    expect(await response.json()).toEqual({ status: "ok", agent_running: false, agent_type: "cat", session_id: "s-1" });
  });

  it("tells what a command prints, then its end", async () => {
    const { origin } = await start(["echo", "hello"]);
    const client = await connect(origin);
    const exit = await client.event("exit");
    expect(client.events.map(({ type, data }) => [type, data])).toEqual([
      ["stdout", { text: "hello" }],
      ["exit", { code: 0 }],
    ]);
    expect(exit.exit_code).toBe(0);
  });

  it("gives a prompt to the command and the answer to every client", async () => {
    const { origin } = await start(["cat"]);
    const [first, second] = [await connect(origin), await connect(origin)];
    first.socket.send(JSON.stringify({ type: "prompt", data: { content: "hi" } }));
    for (const client of [first, second]) {
      await client.event("stdout", ({ data }) => data["text"] === "hi");
      expect((await client.event("result")).data).toMatchObject({ turn_id: "t1", status: "success", cost_usd: null });
    }
  });

  it("replays from an offset without a seam", async () => {
    const { origin } = await start(["sh", "-c", "echo one; echo two; exec cat"]);
    const first = await connect(origin, "?since=0");
    const one = await first.event("stdout", ({ data }) => data["text"] === "one");
    await first.event("stdout", ({ data }) => data["text"] === "two");
    const all = await connect(origin, "?since=0");
    await all.event("stdout", ({ data }) => data["text"] === "two");
    expect(all.events).toEqual(first.events);
    const rest = await connect(origin, `?since=${one.offset}`);
    await rest.event("stdout", ({ data }) => data["text"] === "two");
    expect(rest.events).toEqual(first.events.slice(1));
  });

  it.each([
    [{ type: "dance" }, "unknown command type: dance"],
    [{ type: "prompt" }, "prompt content is required"],
    [{ type: "prompt", data: { content: "  " } }, "prompt content is required"],
    [{ type: "steer", data: null }, "steer content is required"],
    [{ type: "context", data: { text: "x" } }, "context is not supported by a generic command"],
    [{ type: "ack", data: { sidecar_seq: 1 } }, "unknown command type: ack"],
  ])("answers %j with %j", async (command, message) => {
    const { origin } = await start(["cat"]);
    const client = await connect(origin);
    client.socket.send(JSON.stringify(command));
    expect(await client.event("error")).toEqual({
      type: "error",
      data: { message, code: 400 },
      offset: 0,
      timestamp: 0,
    });
  });

  it("says that a command is not JSON", async () => {
    const { origin } = await start(["cat"]);
    const client = await connect(origin);
    client.socket.send("hello");
    expect((await client.event("error")).data["message"]).toMatch(/^invalid command json: /);
  });

  it.each([
    ["plain text!", "plain text!"],
    [Buffer.from("as base64").toString("base64"), "as base64"],
  ])("gives AGENT_PROMPT %j to the command and ends its input", async (prompt, text) => {
    const { origin } = await start(["cat"], { AGENT_PROMPT: prompt });
    const client = await connect(origin, "?since=0");
    await client.event("exit");
    expect(client.events.map(({ type }) => type)).toEqual(["stdout", "result", "exit"]);
    expect(client.events[0]?.data).toEqual({ text });
  });

  it("reports the real exit code with the tail of stderr", async () => {
    const { origin } = await start(["sh", "-c", "echo went wrong >&2; exit 7"]);
    const client = await connect(origin);
    expect((await client.event("exit")).data).toEqual({
      code: 7,
      error_detail: "went wrong",
      error_category: "startup_crash",
      retryable: false,
    });
  });

  it("tells everyone that the command could not be started", async () => {
    const { origin } = await start(["/nowhere/agent"]);
    for (let connection = 0; connection < 2; connection++) {
      const client = await connect(origin);
      expect((await client.event("error")).data).toMatchObject({
        code: "agent_not_found",
        error_category: "startup_crash",
      });
      expect((await client.event("exit")).exit_code).toBe(1);
      await client.closed;
    }
    const health = await (await fetch(`http://${origin}/health`)).json();
    expect(health).toMatchObject({ status: "error", agent_running: false });
  });

  it("gives a flood whole to one client while another reads nothing", async () => {
    const { origin } = await start(fakeAgent("floods-stdout", "150000"), { AGENT_CONFIG: "{}" });
    const stuck = new TestClient(origin, "?since=0");
    stuck.socket.once("open", () => stuck.socket.pause());
    clients.push(stuck);
    const client = await connect(origin, "?since=0");
    await eventually(() => client.events.at(-1)?.type === "exit", { deadlineMs: 40_000, what: "exit" });
    const texts = client.events.flatMap(({ type, data }) => (type === "stdout" ? [data["text"]] : []));
    expect(texts.length).toBe(150_000);
    expect(texts.every((text, index) => text === `line ${index + 1}`)).toBe(true);
  });

  it("ends after the clean-up time and leaves no folder", async () => {
    const sidecar = await start(["true"], { SIDECAR_CLEANUP_TIMEOUT: "0" });
    const client = await connect(sidecar.origin);
    await client.event("exit");
    expect(await sidecar.exited).toEqual({ code: 0, signal: null });
  });

  it.each([
    ["?since=-1", {}, 400],
    ["?since=x", {}, 400],
    ["", { origin: "http://evil.example" }, 403],
    ["", { host: "evil.example" }, 403],
  ])("refuses %j with headers %j: %i", async (query, headers, status) => {
    const { origin } = await start(["cat"]);
    const client = new TestClient(origin, query, headers);
    const answered = await new Promise((resolve) =>
      client.socket.once("unexpected-response", (_, response) => resolve(response.statusCode)),
    );
    client.socket.terminate();
    expect(answered).toBe(status);
  });

  it.each([
    [{ AGENT_CMD: "nope" }, /AGENT_CMD is not valid JSON/],
    [{ AGENT_CMD: "[]" }, /AGENT_CMD is wrong/],
    [{ AGENT_CMD: '["cat"]', AGENT_CONFIG: '{"model":1}' }, /AGENT_CONFIG is wrong at model/],
    [{ AGENT_CMD: '["cat"]', SIDECAR_CLEANUP_TIMEOUT: "soon" }, /SIDECAR_CLEANUP_TIMEOUT must be/],
    [{ AGENT_BIN: "cat" }, /AGENT_BIN.* not supported/],
    [{}, /AGENT_CMD is required/],
  ])("refuses the environment %j", async (env, message) => {
    const sidecar = runSidecar(env);
    sidecar.process.stdin?.end();
    expect(await sidecar.exited).toEqual({ code: 1, signal: null });
    expect(sidecar.stderr()).toMatch(message);
  });
});
