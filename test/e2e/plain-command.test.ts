import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it, onTestFinished } from "vitest";
import WebSocket from "ws";
import { eventually } from "../support/eventually.ts";
import { readLog } from "../support/read-log.ts";
import { startDaemon } from "../support/start-daemon.ts";
import { tempDir } from "../support/temp-dir.ts";
import { LogCheck } from "../tools/log-check.ts";

const echo = fileURLToPath(new URL("../fixtures/agents/echo.mjs", import.meta.url));
const config = {
  agents: {
    echo: { command: process.execPath, args: [echo] },
    slow: { command: "sh", args: ["-c", "read x; sleep 30"] },
    /** Minds no end of its input, and leaves in its own way. */
    stubborn: { command: "sh", args: ["-c", 'trap "exit 130" INT; while :; do sleep 0.1; done'] },
    crasher: { command: "sh", args: ["-c", "read x; kill -SEGV $$"] },
    counter: { command: "seq", args: ["1", "10"] },
  },
};

describe("what a plain command cannot do is refused by name", () => {
  it("context, mentions, and a second prompt to a one-shot session", async () => {
    const daemon = await startDaemon({ config });
    const { body } = await daemon.post("/sessions", { agent: "echo", interactive: true });
    expect(await daemon.post(`/sessions/${body.session_id}/context`, { text: "x" })).toMatchObject({
      status: 400,
      body: { error: "unsupported_by_agent" },
    });
    expect(await daemon.post(`/sessions/${body.session_id}/mention`, { file_path: "/etc/hosts" })).toMatchObject({
      status: 400,
      body: { error: "unsupported_by_agent" },
    });
    const oneShot = await daemon.post("/sessions", { agent: "slow", prompt: "go" });
    expect(await daemon.post(`/sessions/${oneShot.body.session_id}/prompt`, { text: "more" })).toMatchObject({
      status: 409,
      body: { error: "session_ended" },
    });
    await daemon.stop();
  });
});

describe("the log of a plain command", () => {
  it("has a success for a command that is done before its prompt has come", async () => {
    const daemon = await startDaemon({ config });
    for (let run = 0; run < 10; run++) {
      const { body } = await daemon.post("/sessions", { agent: "counter", prompt: "hello" });
      const events = await readLog(daemon, body.session_id);
      expect(events.filter(({ type }) => type === "stdout")).toHaveLength(10);
      expect(events.find(({ type }) => type === "result")?.data["status"]).toBe("success");
    }
    await daemon.stop();
  });

  it("has a success for it in a session that would take more prompts, too", async () => {
    const daemon = await startDaemon({ config });
    for (let run = 0; run < 10; run++) {
      const { body } = await daemon.post("/sessions", { agent: "counter", prompt: "hello", interactive: true });
      const events = await readLog(daemon, body.session_id);
      expect(events.filter(({ type }) => type === "stdout")).toHaveLength(10);
      const results = events.filter(({ type }) => type === "result").map(({ data }) => data["status"]);
      expect([results, events.at(-1)?.data["code"]]).toEqual([["success"], 0]);
    }
    await daemon.stop();
  });

  it("has a steer before what follows from it", async () => {
    const daemon = await startDaemon({ config });
    for (let run = 0; run < 10; run++) {
      const { body } = await daemon.post("/sessions", { agent: "echo", interactive: true, prompt: "one" });
      await daemon.post(`/sessions/${body.session_id}/prompt`, { text: "two" });
      await daemon.post(`/sessions/${body.session_id}/steer`, { text: "three" });
      await daemon.post(`/sessions/${body.session_id}/stop`, { mode: "drain" });
      const check = new LogCheck();
      await readLog(daemon, body.session_id);
      check.push(Buffer.from((await daemon.get(`/sessions/${body.session_id}/log`)).text));
      expect(check.end().faults).toEqual([]);
    }
    await daemon.stop();
  });

  it("calls the end by our own interrupt or time limit what it is, and no crash", async () => {
    const daemon = await startDaemon({ config });
    const limited = await daemon.post("/sessions", { agent: "slow", prompt: "x", turn_timeout: "1s" });
    const late = await readLog(daemon, limited.body.session_id);
    expect(late.find(({ type }) => type === "result")?.data).toMatchObject({ status: "limit", reason: "turn_timeout" });
    expect(late.at(-1)?.data).toMatchObject({ signal: "SIGINT", error_category: "timeout" });
    const asked = await daemon.post("/sessions", { agent: "slow", prompt: "x" });
    await eventually(async () => (await daemon.get(`/sessions/${asked.body.session_id}`)).body.activity === "busy", {
      what: "a command at work",
    });
    await daemon.post(`/sessions/${asked.body.session_id}/interrupt`);
    const ended = await readLog(daemon, asked.body.session_id);
    expect(ended.find(({ type }) => type === "result")?.data["status"]).toBe("interrupted");
    expect(ended.at(-1)?.data).toMatchObject({ signal: "SIGINT", error_category: "stopped" });
    await daemon.stop();
  });

  it.each([
    ["slow", { signal: "SIGINT" }],
    ["stubborn", { code: 130 }],
  ])("ends when it is interrupted before it has its prompt, though it would go on without: %s", async (agent, how) => {
    const folder = await tempDir();
    onTestFinished(() => folder.remove());
    const gate = join(folder.path, "gate");
    const hooks = { post_init: ["sh", "-c", `until [ -e ${gate} ]; do sleep 0.05; done`] };
    const daemon = await startDaemon({ config: { ...config, hooks } });
    const { body } = await daemon.post("/sessions", { agent, prompt: "x" });
    const hasBegun = async () => (await daemon.get(`/sessions/${body.session_id}/log`)).text.includes("post_init");
    await eventually(hasBegun, { what: "the hook" });
    expect((await daemon.post(`/sessions/${body.session_id}/interrupt`)).status).toBe(202);
    writeFileSync(gate, "");
    const events = await readLog(daemon, body.session_id);
    expect(events.filter(({ type }) => type === "result").map(({ data }) => data["status"])).toEqual(["interrupted"]);
    expect(events.at(-1)?.data).toMatchObject({ ...how, error_category: "stopped" });
    await daemon.stop();
  });

  it("calls a crash what it is, also between two prompts", async () => {
    const daemon = await startDaemon({ config });
    const { body } = await daemon.post("/sessions", { agent: "crasher", interactive: true, prompt: "x" });
    const events = await readLog(daemon, body.session_id);
    expect(events.at(-1)?.data).toMatchObject({ signal: "SIGSEGV", error_category: "agent_crash" });
    await daemon.stop();
  });
});

describe("a refused upgrade", () => {
  it.each([{}, { origin: "http://evil.example" }, { host: "evil.example" }])(
    "with %j does not hold up the end of the daemon",
    async (headers) => {
      const daemon = await startDaemon({ config });
      const status = await new Promise((resolve) => {
        const socket = new WebSocket(`${daemon.url.replace("http", "ws")}/ws/sessions/x`, { headers });
        socket.on("unexpected-response", (_request, response) => resolve(response.statusCode));
        socket.on("error", () => {
          // The answer is what counts.
        });
      });
      expect([401, 403]).toContain(status);
      expect(await daemon.stop()).toEqual({ code: 0 });
      expect(existsSync(join(daemon.dataDir, "daemon.json"))).toBe(false);
    },
  );
});
