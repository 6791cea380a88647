/** What recordings do not show: other orders, unknown lines, lost calls, limits. */
import { describe, expect, test } from "vitest";
import { Normalizer } from "../../../sidecar/codex/normalize.ts";
import type { SessionEvent } from "../../../src/protocol/event.ts";

const threadId = "main";

function started(options: { roundsMax?: number } = {}) {
  const normalizer = new Normalizer({ permissionMode: "autonomous", ...options });
  const say = (method: string, params: object) =>
    normalizer.push(JSON.stringify({ method, params: { threadId, ...params } }), 0);
  const reply = (id: string, result: object) => normalizer.push(JSON.stringify({ id, result }), 0);
  const events = (): SessionEvent[] => normalizer.take().outputs.map(({ event }) => event);
  normalizer.asked("thread", "thread");
  reply("thread", { thread: { id: threadId }, model: "m" });
  events();
  const prompt = (turnId: string, codexId: string) => {
    normalizer.prompting(turnId, normalizer.prompted(turnId, 0));
    reply(turnId, { turn: { id: codexId } });
  };
  const complete = (id: string, status = "completed") => say("turn/completed", { turn: { id, status } });
  return { normalizer, say, reply, events, prompt, complete };
}

const typesOf = (events: readonly SessionEvent[]) => events.map(({ type }) => type);
const command = (id: string) => ({ type: "commandExecution", id, command: "sleep 9", cwd: "/w" });
const usage = (total: number) => ({
  tokenUsage: {
    total: { totalTokens: total, inputTokens: total },
    last: { totalTokens: 10, inputTokens: 10 },
  },
});

test("a turn may be announced before the reply to its prompt", () => {
  const { normalizer, say, reply, events, complete } = started();
  normalizer.prompting("p", normalizer.prompted("t1", 0));
  say("turn/started", { turn: { id: "c1", status: "inProgress" } });
  reply("p", { turn: { id: "c1" } });
  complete("c1");
  expect(events()).toMatchObject([{ type: "result", data: { turn_id: "t1", status: "success" } }]);
});

test("a turn that Codex began by itself is not taken for the prompt's", () => {
  const { normalizer, say, reply, events, complete } = started();
  normalizer.prompting("p", normalizer.prompted("t1", 0));
  say("turn/started", { turn: { id: "own", status: "inProgress" } });
  reply("p", { turn: { id: "c1" } });
  complete("own");
  complete("c1");
  expect(events()).toMatchObject([{ data: { turn_id: "t1.1", origin: "agent" } }, { data: { turn_id: "t1" } }]);
});

describe("a command that outlives its turn", () => {
  test("holds the result of an interrupted turn until it is gone", () => {
    const { normalizer, say, events, prompt, complete } = started();
    prompt("t1", "c1");
    say("item/started", { turnId: "c1", item: command("i1") });
    normalizer.interrupted("user", undefined);
    complete("c1", "interrupted");
    expect(typesOf(events())).toEqual(["tool_use"]);
    expect(normalizer.status).toMatchObject({ activity: "busy", turn_id: "t1" });
    say("item/completed", { turnId: "c1", item: { ...command("i1"), status: "failed", aggregatedOutput: "tick" } });
    expect(events()).toMatchObject([
      { type: "tool_result", data: { output: "tick", is_error: true } },
      { type: "result", data: { status: "interrupted" } },
    ]);
  });

  test("is given up when it does not go", () => {
    const { normalizer, say, events, prompt, complete } = started();
    prompt("t1", "c1");
    say("item/started", { turnId: "c1", item: command("i1") });
    normalizer.interrupted("limit", "turn_timeout");
    complete("c1", "interrupted");
    normalizer.letGo(0);
    const seen = events();
    expect(seen[1]).toMatchObject({ type: "tool_result", data: { synthetic: true } });
    expect(seen[2]).toMatchObject({ type: "result", data: { status: "limit", reason: "turn_timeout" } });
    say("item/completed", { turnId: "c1", item: { ...command("i1"), status: "failed", aggregatedOutput: "late" } });
    expect(events()).toMatchObject([{ type: "progress", data: { kind: "late_result", id: "i1", text: "late" } }]);
  });
});

test("a call that became no item is told when its output is there, with the turn it was made in", () => {
  const { say, events, prompt } = started();
  prompt("t1", "c1");
  const raw = (item: object) => say("rawResponseItem/completed", { turnId: "c1", item });
  raw({ type: "function_call", call_id: "a", name: "exec_command", arguments: '{"cmd":"ls"}' });
  raw({ type: "custom_tool_call", call_id: "b", name: "exec", input: "tools.exec_command()" });
  raw({ type: "function_call", call_id: "d", name: "add", namespace: "mcp__lab", arguments: "{}" });
  raw({ type: "function_call", call_id: "e", name: "update_plan", arguments: "{}" });
  say("item/started", { turnId: "c1", item: command("exec-1") });
  for (const call_id of ["a", "b", "d", "e"]) raw({ type: "function_call_output", call_id, output: "out" });
  const seen = events();
  expect(seen.filter(({ type }) => type === "tool_use")).toMatchObject([
    { data: { id: "exec-1" } },
    { data: { id: "a", turn_id: "t1", name: "Bash", input: { command: "ls" } } },
    { data: { id: "d", name: "add", server: "lab" } },
    { data: { id: "e", name: "update_plan" } },
  ]);
  expect(seen.filter(({ type }) => type === "tool_result")).toMatchObject([
    { data: { id: "a", is_error: true } },
    { data: { id: "d", is_error: true } },
    { data: { id: "e", is_error: false } },
  ]);
});

test("tokens of a resumed thread are those of the new turn, and a repeated report counts once", () => {
  const { say, events, prompt, complete } = started();
  prompt("t1", "c1");
  say("thread/tokenUsage/updated", { turnId: "c1", ...usage(510) });
  say("thread/tokenUsage/updated", { turnId: "c1", ...usage(510) });
  say("thread/tokenUsage/updated", { turnId: "c1", ...usage(520) });
  complete("c1");
  expect(events()).toMatchObject([{ data: { num_turns: 2, usage: { input_tokens: 20 } } }]);
});

test("the round after the last allowed one interrupts the turn", () => {
  const { normalizer, say, prompt } = started({ roundsMax: 1 });
  prompt("t1", "c1");
  say("item/started", { turnId: "c1", item: command("i1") });
  say("thread/tokenUsage/updated", { turnId: "c1", ...usage(10) });
  expect(normalizer.running?.interrupt).toBeUndefined();
  say("item/started", { turnId: "c1", item: { type: "reasoning", id: "r" } });
  expect(normalizer.running?.interrupt).toEqual({ reason: "limit", detail: "max_turns" });
});

test("the second refusal of the key ends the turn as an error", () => {
  const { normalizer, say, events, prompt, complete } = started();
  prompt("t1", "c1");
  const refused = {
    message: "Reconnecting... 1/5",
    codexErrorInfo: { responseStreamDisconnected: { httpStatusCode: 401 } },
  };
  say("error", { turnId: "c1", willRetry: true, error: refused });
  expect(normalizer.status).toMatchObject({ activity: "retrying" });
  expect(normalizer.running?.refusal).toBeUndefined();
  say("error", { turnId: "c1", willRetry: true, error: refused });
  expect(normalizer.running?.refusal).toMatchObject({ category: "auth_error" });
  complete("c1", "interrupted");
  expect(events().slice(-2)).toMatchObject([
    { type: "error", data: { error_category: "auth_error", http_status: 401 } },
    { type: "result", data: { status: "error", error_category: "auth_error" } },
  ]);
});

test("what a newer Codex says is kept, bounded, and changes nothing", () => {
  const { normalizer, say, events } = started();
  say("thread/dreaming", { dream: "x".repeat(20_000) });
  normalizer.push("not JSON at all", 0);
  const seen = events();
  expect(seen).toMatchObject([
    { type: "system", data: { subtype: "raw", cut: true } },
    { type: "system", data: { subtype: "stdout_raw", text: "not JSON at all" } },
  ]);
  expect(JSON.stringify(seen[0]).length).toBeLessThan(10_000);
});
