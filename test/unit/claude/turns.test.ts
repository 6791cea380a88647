/** One accepted prompt, one result: the ways in which the CLI gives more, fewer or other results than that. */
import { expect, test } from "vitest";
import { Normalizer } from "../../../sidecar/claude/normalize.ts";

const sum = { input_tokens: 10, output_tokens: 2, cache_read_input_tokens: 0, cache_creation_input_tokens: 0 };

function session() {
  const normalizer = new Normalizer({ agentSessionId: "s", isResumed: false, permissionMode: "autonomous" });
  const print = (...lines: object[]) => {
    for (const line of lines) normalizer.push(JSON.stringify(line), 100);
    return normalizer.take();
  };
  return { normalizer, print };
}

const lifecycle = (command_uuid: string, state: string) => ({ type: "command_lifecycle", command_uuid, state });
const init = (...user_message_uuids: string[]) => ({
  type: "system",
  subtype: "init",
  session_id: "s",
  model: "m",
  user_message_uuids,
});
const result = (uuids: string[], more: object = {}) => ({
  type: "result",
  subtype: "success",
  is_error: false,
  terminal_reason: "completed",
  num_turns: 1,
  duration_ms: 5,
  total_cost_usd: 0,
  usage: sum,
  user_message_uuids: uuids,
  ...more,
});
const started = (uuid: string) => [lifecycle(uuid, "queued"), lifecycle(uuid, "started"), init(uuid)];
const retry = (attempt: number, status: number | null, error: string) => ({
  type: "system",
  subtype: "api_retry",
  attempt,
  max_retries: 10,
  retry_delay_ms: 500,
  error_status: status,
  error,
});
const call = (id: string, name: string, parent: string | null = null) => ({
  type: "assistant",
  message: { id: `msg ${id}`, model: "m", content: [{ type: "tool_use", id, name, input: {} }] },
  parent_tool_use_id: parent,
});

const endings = (effects: ReturnType<Normalizer["take"]>) =>
  effects.outputs.flatMap(({ event }) =>
    event.type === "result" ? [`${event.data.turn_id} ${event.data.status} n${event.data.num_turns}`] : [],
  );

test("a steer that cuts the text is answered under the turn it redirects, with the figures of both", () => {
  const { normalizer, print } = session();
  normalizer.prompted({ turnId: "t1", uuid: "a" }, 0);
  print(...started("a"));
  normalizer.steered("b");
  expect(endings(print(lifecycle("b", "queued"), result(["a"], { terminal_reason: "aborted_streaming" })))).toEqual([]);
  expect(normalizer.status).toMatchObject({ activity: "busy", turn_id: "t1" });
  expect(endings(print(lifecycle("a", "cancelled"), lifecycle("b", "started"), init("b"), result(["b"])))).toEqual([
    "t1 success n2",
  ]);
  expect(normalizer.status).toMatchObject({ activity: "idle", turn_id: null });
});

test("a waiting steer goes with the turn that is interrupted, whichever is reported first", () => {
  for (const isCancelledFirst of [true, false]) {
    const { normalizer, print } = session();
    normalizer.prompted({ turnId: "t1", uuid: "a" }, 0);
    print(...started("a"));
    normalizer.steered("b");
    normalizer.interrupted("user", undefined);
    const lines = [
      lifecycle("b", "cancelled"),
      result(["a"], { is_error: true, subtype: "error_during_execution", terminal_reason: "aborted_tools" }),
    ];
    expect(endings(print(...(isCancelledFirst ? lines : lines.toReversed())))).toEqual(["t1 interrupted n1"]);
  }
});

test("a prompt that is withdrawn before the agent began with it ends as interrupted", () => {
  const { normalizer, print } = session();
  print(lifecycle("x", "queued"));
  normalizer.prompted({ turnId: "t1", uuid: "a" }, 0);
  normalizer.interrupted("limit", "turn_timeout");
  expect(endings(print(lifecycle("a", "queued"), lifecycle("a", "cancelled")))).toEqual(["t1 limit n0"]);
});

test("a steer that is never answered does not hold its turn for ever", () => {
  const { normalizer, print } = session();
  normalizer.prompted({ turnId: "t1", uuid: "a" }, 0);
  print(...started("a"));
  normalizer.steered("b");
  print(result(["a"]));
  expect(endings(print({ type: "system", subtype: "session_state_changed", state: "idle" }))).toEqual([
    "t1 success n1",
  ]);
});

test("the agent's own turn comes between a prompt and its answer without taking its place", () => {
  const { normalizer, print } = session();
  normalizer.prompted({ turnId: "t1", uuid: "a" }, 0);
  print(...started("a"), result(["a"]));
  const own = { type: "system", subtype: "init", session_id: "s", model: "m" };
  print(own);
  normalizer.prompted({ turnId: "t2", uuid: "b" }, 0);
  expect(normalizer.status.turn_id).toBe("t1.1");
  const note = result([], { user_message_uuids: undefined, origin: { kind: "task-notification" } });
  expect(endings(print(lifecycle("b", "queued"), note))).toEqual(["t1.1 success n1"]);
  expect(endings(print(lifecycle("b", "started"), init("b"), result(["b"])))).toEqual(["t2 success n1"]);
});

test("a result without a round that answers nothing of ours is not a turn", () => {
  const { print } = session();
  expect(
    print(lifecycle("x", "started"), init("x"), result(["x"], { num_turns: 0 })).outputs.map(({ event }) => event.type),
  ).toEqual(["system"]);
});

test("the second refusal of the key is believed: the turn is interrupted and ends as an error", () => {
  const { normalizer, print } = session();
  normalizer.prompted({ turnId: "t1", uuid: "a" }, 0);
  print(...started("a"));
  expect(print(retry(1, 401, "authentication_failed")).mustInterrupt).toBe(false);
  expect(normalizer.waiting).toEqual({ on: "retry", dueAt: 600 });
  expect(print(retry(2, 401, "authentication_failed")).mustInterrupt).toBe(true);
  expect(print(retry(3, 401, "authentication_failed")).mustInterrupt).toBe(false);
  const cut = result(["a"], {
    is_error: true,
    subtype: "error_during_execution",
    terminal_reason: "aborted_streaming",
  });
  const events = print(cut).outputs.map(({ event }) => event);
  expect(events).toMatchObject([
    { type: "error", data: { error_category: "auth_error", http_status: 401, retryable: false, turn_id: "t1" } },
    { type: "result", data: { status: "error", error_category: "auth_error" } },
  ]);
});

test("the end of the agent closes calls, streamed text and the turn, in this order", () => {
  const { normalizer, print } = session();
  normalizer.prompted({ turnId: "t1", uuid: "a" }, 0);
  const stream = (event: object) => ({ type: "stream_event", event, parent_tool_use_id: null });
  print(...started("a"), call("c1", "Bash"), stream({ type: "message_start", message: { id: "m2" } }));
  print(stream({ type: "content_block_delta", index: 0, delta: { type: "text_delta", text: "half" } }));
  expect(normalizer.waiting).toEqual({ on: "tool", names: ["Bash"] });
  normalizer.end("it was killed", 200);
  expect(normalizer.take().outputs.map(({ event }) => event)).toMatchObject([
    { type: "agent_message", data: { item_id: "m2:0", text: "half", delta: false, superseded: true } },
    { type: "tool_result", data: { id: "c1", is_error: true, synthetic: true, duration_ms: 100 } },
    { type: "result", data: { turn_id: "t1", status: "aborted", reason: "it was killed", cost_usd: null } },
  ]);
  expect(normalizer.waiting).toEqual({ on: "nothing" });
});

test("subagents count as background until the agent has spoken about their end, servers never", () => {
  const { normalizer, print } = session();
  const tasks = (...types: string[]) => ({
    type: "system",
    subtype: "background_tasks_changed",
    tasks: types.map((task_type) => ({ task_type })),
  });
  normalizer.prompted({ turnId: "t1", uuid: "a" }, 0);
  print(
    { type: "system", subtype: "session_state_changed", state: "running" },
    ...started("a"),
    tasks("local_agent", "local_bash"),
  );
  expect(normalizer.background).toBe(1);
  print(result(["a"]), tasks("local_bash"));
  expect(normalizer.background).toBe(1);
  print({ type: "system", subtype: "init", session_id: "s" });
  expect(normalizer.background).toBe(0);
});

test("a question of the CLI is answered at once where nobody is to be asked, so that nothing waits for ever", () => {
  const { print } = session();
  const ask = (subtype: string) => ({
    type: "control_request",
    request_id: "r",
    request: { subtype, tool_name: "Bash", input: { command: "ls" } },
  });
  expect(print(ask("can_use_tool"), ask("hook_callback")).replies.map((line) => JSON.parse(line))).toEqual([
    {
      type: "control_response",
      response: {
        subtype: "success",
        request_id: "r",
        response: { behavior: "allow", updatedInput: { command: "ls" } },
      },
    },
    {
      type: "control_response",
      response: { subtype: "error", request_id: "r", error: "hook_callback is not supported" },
    },
  ]);
});

test("lines that are no JSON, unknown types and stderr are kept as system events", () => {
  const { normalizer } = session();
  normalizer.push("Segfault?", 0);
  normalizer.push("", 0);
  normalizer.push('{"type":"novelty","x":1}', 0);
  normalizer.stderr("  a warning \n");
  expect(normalizer.take().outputs).toEqual([
    { event: { type: "system", data: { subtype: "stdout_raw", text: "Segfault?" } }, raw: "Segfault?" },
    {
      event: { type: "system", data: { subtype: "raw", text: '{"type":"novelty","x":1}' } },
      raw: '{"type":"novelty","x":1}',
    },
    { event: { type: "system", data: { subtype: "stderr", text: "a warning" } } },
  ]);
});
