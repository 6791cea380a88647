import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type ClaudeDaemon, startClaudeDaemon } from "../support/claude-daemon.ts";
import { type CollectedSpan, type Collector, startCollector } from "../support/collector.ts";
import { eventually } from "../support/eventually.ts";

const traceId = "4bf92f3577b34da6a3ce929d0e0e4736";
const caller = "00f067aa0ba902b7";

let collector: Collector;
let claude: ClaudeDaemon | undefined;
beforeEach(async () => {
  collector = await startCollector();
});
afterEach(async () => {
  await claude?.stop();
  claude = undefined;
  await collector.close();
});

async function start(): Promise<ClaudeDaemon> {
  claude = await startClaudeDaemon({ config: { otlp_endpoint: collector.url } });
  return claude;
}

function named(name: RegExp): CollectedSpan[] {
  return collector.spans.filter((span) => name.test(span.name));
}

describe("spans", () => {
  it("of session, turn and tool hang below each other and below the caller's", async () => {
    const { daemon, log } = await start();
    const { body } = await daemon.post(
      "/sessions",
      { agent: "claude", prompt: "[[bash:echo hello]]" },
      { headers: { traceparent: `00-${traceId}-${caller}-01` } },
    );
    await log(body.session_id);
    const [session] = await eventually(() => named(/^invoke_agent claude$/), {
      deadlineMs: 60_000,
      what: "the session's span",
    }).then(() => eventually(() => named(/^invoke_agent/).length === 1 && named(/^invoke_agent/)));
    const [turn, ...otherTurns] = named(/^turn$/);
    const [tool] = named(/^execute_tool Bash$/);
    expect(otherTurns).toEqual([]);
    expect(session).toMatchObject({ traceId, parentSpanId: caller });
    expect(turn).toMatchObject({ traceId, parentSpanId: session?.spanId });
    expect(tool).toMatchObject({ traceId, parentSpanId: turn?.spanId });
    expect(session?.attributes).toMatchObject({
      "session.id": body.session_id,
      "gen_ai.agent.name": "claude",
      "agentruntime.end_reason": "finished",
    });
    expect(turn?.attributes).toMatchObject({ "agentruntime.turn.id": "t1", "agentruntime.turn.status": "success" });
    expect(Number(turn?.attributes["gen_ai.usage.output_tokens"])).toBeGreaterThan(0);
    for (const span of [session, turn, tool]) {
      expect(BigInt(span?.endTimeUnixNano ?? 0)).toBeGreaterThanOrEqual(BigInt(span?.startTimeUnixNano ?? 1));
      expect(JSON.stringify(span)).not.toContain("hello");
    }
    expect([...collector.services]).toEqual(["agentd"]);
  });

  it("of a session that was made without a trace are in one of its own", async () => {
    const { create, log } = await start();
    const id = await create({ prompt: "hello" });
    await log(id);
    await eventually(() => named(/^invoke_agent/).length === 1, { deadlineMs: 60_000 });
    expect(new Set(collector.spans.map((span) => span.traceId)).size).toBe(1);
    expect(named(/^invoke_agent/)[0]?.parentSpanId ?? "").toBe("");
  });

  it("whose caller does not sample are not sent", async () => {
    const { daemon, create, log } = await start();
    const { body } = await daemon.post(
      "/sessions",
      { agent: "claude", prompt: "hello" },
      { headers: { traceparent: `00-${traceId}-${caller}-00` } },
    );
    await log(body.session_id);
    await log(await create({ prompt: "hello" }));
    await eventually(() => named(/^invoke_agent/).length === 1, { deadlineMs: 60_000 });
    expect(collector.spans.filter((span) => span.traceId === traceId)).toEqual([]);
  });
});

describe("a collector that fails", () => {
  it.each([500, "never"] as const)("(%s) hurts no session and does not hold up the daemon's end", async (answer) => {
    collector.answer = answer;
    const { daemon, create, log } = await start();
    const events = await log(await create({ prompt: "hello" }));
    expect(events.at(-1)).toMatchObject({ type: "exit", data: { code: 0 } });
    expect(await daemon.leave()).toEqual({ code: 0 });
  });

  it("is told once, and its spans are counted as dropped", async () => {
    collector.answer = 400;
    const { daemon, create, log } = await start();
    await log(await create({ prompt: "hello" }));
    await log(await create({ prompt: "hello" }));
    await eventually(
      async () => /^agentruntime_spans_dropped_total [4-9]$/m.test((await daemon.get("/metrics")).text),
      {
        deadlineMs: 30_000,
        what: "the drop",
      },
    );
    expect(daemon.output().split("Cannot send spans to the collector").length).toBe(2);
  });
});
