import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { eventually } from "../support/eventually.ts";
import { readLog } from "../support/read-log.ts";
import { scrape } from "../support/scrape.ts";
import { type Daemon, startDaemon } from "../support/start-daemon.ts";

const echo = new URL("../fixtures/agents/echo.mjs", import.meta.url).pathname;

let daemon: Daemon;
beforeAll(async () => {
  daemon = await startDaemon({
    config: { agents: { echo: { command: process.execPath, args: [echo] } }, log_level: "debug" },
  });
});
afterAll(async () => {
  await daemon?.stop();
});

async function untilEnded(id: string): Promise<void> {
  await eventually(async () => (await daemon.get(`/sessions/${id}`)).body.status === "completed", { what: "its end" });
}

describe("/metrics", () => {
  it("needs the token", async () => {
    const { status } = await fetch(`${daemon.url}/metrics`);
    expect(status).toBe(401);
  });

  it("counts a session's life, and what was written is what is in the log", async () => {
    const before = await scrape(daemon);
    const { body } = await daemon.post("/sessions", { agent: "echo", prompt: "lines 500" });
    await untilEnded(body.session_id);
    const events = await readLog(daemon, body.session_id);
    const view = (await daemon.get(`/sessions/${body.session_id}`)).body;
    const grown = async (series: string) => ((await scrape(daemon)).get(series) ?? 0) - (before.get(series) ?? 0);
    await eventually(
      async () => (await grown('agentruntime_sessions_ended_total{agent="echo",end_reason="finished"}')) === 1,
    );
    expect(await grown('agentruntime_sessions_started_total{agent="echo"}')).toBe(1);
    expect(await grown('agentruntime_events_total{agent="echo"}')).toBe(events.length);
    expect(await grown('agentruntime_log_bytes_total{agent="echo"}')).toBe(view.log_bytes);
    expect(await grown('agentruntime_turns_total{agent="echo",status="success"}')).toBe(1);
    expect(await grown('agentruntime_exits_total{agent="echo",error_category="none"}')).toBe(1);
    expect(await grown('agentruntime_launch_seconds_count{runtime="local"}')).toBe(1);
    expect(await grown('agentruntime_first_event_seconds_count{agent="echo"}')).toBe(1);
  });

  it("shows live sessions, clients and refusals, and no series for a session", async () => {
    const { body } = await daemon.post("/sessions", { agent: "echo", interactive: true, prompt: "hello" });
    const client = await daemon.ws(body.session_id, 0);
    await client.frame("connected");
    client.send({ type: "nonsense" });
    await client.frame("error");
    await daemon.get("/sessions/nobody");
    const seen = await scrape(daemon);
    expect(seen.get('agentruntime_sessions{agent="echo",status="running"}')).toBe(1);
    expect(seen.get("agentruntime_clients")).toBe(1);
    expect(seen.get('agentruntime_client_lag_bytes{quantile="1"}')).toBe(0);
    expect(seen.get('agentruntime_requests_refused_total{code="session_not_found"}')).toBe(1);
    expect(seen.get('agentruntime_requests_refused_total{code="unknown_frame"}')).toBe(1);
    expect([...seen.keys()].filter((series) => series.includes(body.session_id))).toEqual([]);
    await client.close();
    await daemon.delete(`/sessions/${body.session_id}`);
    expect((await scrape(daemon)).get('agentruntime_sessions{agent="echo",status="running"}')).toBeUndefined();
  });
});

describe("diagnostics", () => {
  it("are JSON lines, and those of a session name it", async () => {
    const { body } = await daemon.post("/sessions", { agent: "echo", prompt: "hello" });
    await untilEnded(body.session_id);
    const told = () =>
      daemon
        .output()
        .split("\n")
        .filter((line) => line.includes(body.session_id))
        .map((line) => JSON.parse(line) as Record<string, unknown>);
    await eventually(() => told().some(({ msg }) => msg === "session ended"));
    expect(told().map(({ level, msg, agent }) => ({ level, msg, agent }))).toEqual([
      { level: "info", msg: "session started", agent: "echo" },
      { level: "debug", msg: "turn ended", agent: "echo" },
      { level: "info", msg: "session ended", agent: "echo" },
    ]);
  });
});

describe("/health", () => {
  it("tells a living daemon from one that takes work, without a token", async () => {
    const live = await fetch(`${daemon.url}/health/live`);
    expect([live.status, await live.json()]).toEqual([200, { status: "ok" }]);
    const ready = await fetch(`${daemon.url}/health/ready`);
    expect([ready.status, await ready.json()]).toEqual([200, { status: "ready", reasons: [] }]);
  });
});

describe("traceparent", () => {
  const given = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

  it("of the request is on the session, in its log, and in the agent's environment", async () => {
    const printer = await startDaemon({
      config: {
        agents: { printer: { command: process.execPath, args: ["-e", "console.log(process.env.TRACEPARENT)"] } },
      },
    });
    try {
      const { body } = await printer.post(
        "/sessions",
        { agent: "printer", prompt: "x" },
        { headers: { traceparent: given } },
      );
      const events = await readLog(printer, body.session_id);
      expect(events[0]).toMatchObject({ type: "system", data: { subtype: "trace", traceparent: given } });
      expect(events).toContainEqual(expect.objectContaining({ type: "stdout", data: { text: given } }));
    } finally {
      await printer.stop();
    }
  });

  it("is in the view of a live session", async () => {
    const { body } = await daemon.post(
      "/sessions",
      { agent: "echo", interactive: true, prompt: "x" },
      { headers: { traceparent: given } },
    );
    expect((await daemon.get(`/sessions/${body.session_id}`)).body.traceparent).toBe(given);
    await daemon.delete(`/sessions/${body.session_id}`);
  });

  it("that is malformed is ignored", async () => {
    const { body, status } = await daemon.post(
      "/sessions",
      { agent: "echo", prompt: "x" },
      { headers: { traceparent: "nonsense" } },
    );
    expect(status).toBe(201);
    expect((await daemon.get(`/sessions/${body.session_id}`)).body.traceparent).toBeUndefined();
    await untilEnded(body.session_id);
  });
});
