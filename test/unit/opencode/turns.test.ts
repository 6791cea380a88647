/** What the recordings do not show: late ends, retries without end, steers around the end of a turn, aborts too early. */
import { beforeEach, describe, expect, it } from "vitest";
import { inputMark, Normalizer } from "../../../sidecar/opencode/normalize.ts";
import type { EventOf, EventType, SessionEvent } from "../../../src/protocol/event.ts";

const sessionID = "ses_1";
let normalizer: Normalizer;
let now: number;
let events: SessionEvent[];
let isGivingUp: boolean;

beforeEach(() => {
  normalizer = new Normalizer({ permissionMode: "autonomous", retriesMax: 2 });
  normalizer.opened(sessionID);
  now = 1000;
  events = [];
  isGivingUp = false;
});

function take(): void {
  const effects = normalizer.take();
  events.push(...effects.outputs.map(({ event }) => event));
  isGivingUp ||= effects.isGivingUp;
}

function say(type: string, properties: Record<string, unknown>): void {
  normalizer.push(JSON.stringify({ id: "evt", type, properties: { sessionID, ...properties } }), now);
  take();
}

const echo = (inputId: string, id: string) => {
  say("message.updated", { info: { id, role: "user" } });
  const part = { id: `prt_${id}`, messageID: id, type: "text", text: "hi", metadata: { [inputMark]: inputId } };
  say("message.part.updated", { part });
};
const step = (id: string, parentID: string, more: Record<string, unknown> = {}) =>
  say("message.updated", {
    info: { id, role: "assistant", parentID, modelID: "m", providerID: "p", time: {}, ...more },
  });
const idle = () => say("session.status", { status: { type: "idle" } });
const retry = (attempt: number, next = now + 1000) =>
  say("session.status", { status: { type: "retry", attempt, message: "busy there", next } });
const ofType = <T extends EventType>(type: T) =>
  events.flatMap((event) => (event.type === type ? [(event as EventOf<T>).data] : []));
const prompt = (turnId: string) => normalizer.prompted({ turnId, inputId: `input of ${turnId}` }, now);

describe("an end", () => {
  it("of the turn before is not the end of this one", () => {
    prompt("t1");
    idle();
    echo("input of t1", "msg_1");
    expect(ofType("result")).toEqual([]);
    step("msg_2", "msg_1");
    step("msg_2", "msg_1", { time: { completed: 1 }, finish: "stop" });
    idle();
    idle();
    expect(ofType("result")).toMatchObject([{ turn_id: "t1", status: "success" }]);
  });

  it("that comes before the last words waits for them, and not for ever", () => {
    prompt("t1");
    echo("input of t1", "msg_1");
    step("msg_2", "msg_1");
    idle();
    expect(ofType("result")).toEqual([]);
    expect(normalizer.deadline).toBe(now + 1000);
    now += 1000;
    normalizer.tick(now);
    take();
    expect(ofType("result")).toMatchObject([{ turn_id: "t1" }]);
    step("msg_2", "msg_1", { time: { completed: 1 } });
    idle();
    expect(ofType("result")).toHaveLength(1);
  });
});

describe("a steer", () => {
  it("that is stored when the turn is about to end is answered in the same turn", () => {
    prompt("t1");
    echo("input of t1", "msg_1");
    step("msg_2", "msg_1", { time: { completed: 1 } });
    normalizer.steered("steer");
    idle();
    expect(ofType("result")).toEqual([]);
    echo("steer", "msg_3");
    step("msg_4", "msg_3");
    expect(ofType("progress")).toMatchObject([{ kind: "input_delivered", turn_id: "t1" }]);
    step("msg_4", "msg_3", { time: { completed: 1 } });
    idle();
    expect(ofType("result")).toMatchObject([{ turn_id: "t1", status: "success", num_turns: 2 }]);
  });

  it("that the program refuses is told, and the turn goes on", () => {
    prompt("t1");
    echo("input of t1", "msg_1");
    normalizer.steered("steer");
    normalizer.refused("steer", { message: "no", category: undefined }, now);
    step("msg_2", "msg_1", { time: { completed: 1 } });
    idle();
    expect(ofType("error")).toMatchObject([{ message: "no", turn_id: "t1" }]);
    expect(ofType("result")).toMatchObject([{ status: "success" }]);
  });
});

describe("retries", () => {
  it("are stopped when there are too many, and the turn fails for what the service said", () => {
    prompt("t1");
    echo("input of t1", "msg_1");
    step("msg_2", "msg_1");
    normalizer.serviceAnswered({ status: 529, words: [] });
    retry(1);
    retry(2);
    expect(normalizer.waiting).toEqual({ on: "retry", dueAt: now + 1000 });
    expect(normalizer.status.activity).toBe("retrying");
    expect(isGivingUp).toBe(false);
    retry(3);
    expect(isGivingUp).toBe(true);
    step("msg_2", "msg_1", { time: { completed: 1 } });
    idle();
    expect(ofType("result")).toMatchObject([{ status: "error", error_category: "upstream_api_error" }]);
    expect(ofType("error")).toMatchObject([{ http_status: 529, retryable: true }]);
  });

  it("are stopped at once when the service asks for hours", () => {
    prompt("t1");
    echo("input of t1", "msg_1");
    normalizer.serviceAnswered({ status: 429, words: [] });
    retry(1, now + 3_600_000);
    expect(isGivingUp).toBe(true);
  });

  it("without an answer are the network's", () => {
    prompt("t1");
    normalizer.serviceAnswered({ status: null, words: [] });
    retry(1);
    expect(ofType("progress")).toMatchObject([{ kind: "retry", attempt: 1, error_category: "network" }]);
  });
});

it("a run that begins after its turn was interrupted is aborted", () => {
  prompt("t1");
  echo("input of t1", "msg_1");
  normalizer.interrupted("user", undefined);
  idle();
  expect(ofType("result")).toMatchObject([{ turn_id: "t1", status: "interrupted" }]);
  step("msg_2", "msg_1");
  expect(isGivingUp).toBe(true);
  step("msg_2", "msg_1", {
    time: { completed: 1 },
    error: { name: "MessageAbortedError", data: { message: "Aborted" } },
  });
  idle();
  expect(ofType("result").at(-1)).toMatchObject({ turn_id: "t1.1", origin: "agent", status: "interrupted" });
});

it("an autonomous agent that asks all the same is answered, and never a question", () => {
  prompt("t1");
  say("permission.asked", { id: "per_1", permission: "bash", patterns: ["ls"] });
  say("question.asked", { id: "que_1", questions: [{ question: "Why?", options: [] }] });
  expect(ofType("input_required")).toEqual([]);
});

it("events of other conversations are none of ours", () => {
  prompt("t1");
  echo("input of t1", "msg_1");
  say("message.updated", { sessionID: "ses_2", info: { id: "msg_9", role: "assistant", time: {} } });
  say("session.status", { sessionID: "ses_2", status: { type: "idle" } });
  expect(events).toEqual([]);
});

it("events of a newer program are kept as they are, within bounds", () => {
  say("session.enlightened", { text: "x".repeat(100_000) });
  expect(ofType("system")).toMatchObject([{ subtype: "raw", cut: true }]);
  expect(JSON.stringify(events).length).toBeLessThan(10_000);
});
