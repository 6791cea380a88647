import fc from "fast-check";
import { expect, test } from "vitest";
import { noUsage, type SessionEvent } from "../../../src/protocol/event.ts";
import { encodeDaemonLine } from "../../../src/protocol/line.ts";
import { believed, type Checkpoint } from "../../../src/session/checkpoint.ts";
import { checkpointOf } from "../../../src/session/checkpointing.ts";
import { Inputs, readInputs } from "../../../src/session/inputs.ts";
import { looseEndsOf } from "../../../src/session/loose-ends.ts";
import { openTurnsOf } from "../../../src/session/open-turns.ts";
import type { StoredLog } from "../../../src/session/read-lines.ts";

/** Few names, so that lines of one thing meet. */
const id = fc.integer({ min: 1, max: 4 });
const turn = id.map((n) => `t${n}`);
const event: fc.Arbitrary<SessionEvent> = fc.oneof(
  fc.record({ turn_id: turn, text: fc.string() }).map(({ turn_id, text }): SessionEvent => {
    return { type: "user_message", data: { turn_id, kind: "prompt", text } };
  }),
  fc
    .record({ turn_id: turn, cost_usd: fc.option(fc.integer({ min: 1, max: 9 })), duration_ms: fc.nat(1) })
    .map((data): SessionEvent => {
      const rest = {
        session_id: "s",
        status: "success" as const,
        num_turns: 0,
        usage: { ...noUsage, input_tokens: 1 },
      };
      return { type: "result", data: { ...rest, ...data } };
    }),
  fc.record({ turn_id: turn, id: id.map(String) }).map((data): SessionEvent => {
    return { type: "tool_use", data: { ...data, name: "Bash", kind: "execute", input: {} } };
  }),
  fc.record({ turn_id: turn, id: id.map(String) }).map((data): SessionEvent => {
    return { type: "tool_result", data: { ...data, name: "Bash", output: "", is_error: false, duration_ms: 1 } };
  }),
  fc
    .record({ turn_id: turn, item_id: id.map(String), text: fc.string(), delta: fc.boolean() })
    .map((data): SessionEvent => ({ type: "agent_message", data })),
  fc.record({ turn_id: turn, request_id: id.map(String) }).map((data): SessionEvent => {
    return { type: "input_required", data: { ...data, kind: "permission", message: "?", options: [] } };
  }),
  fc.record({ request_id: id.map(String) }).map((data): SessionEvent => {
    return { type: "input_resolved", data: { ...data, decision: "deny", by: "client" } };
  }),
  fc.string().map((text): SessionEvent => ({ type: "stdout", data: { text: `${text} "ü` } })),
);

function linesOf(events: readonly SessionEvent[]): Buffer[] {
  return events.map((each, i) => Buffer.from(encodeDaemonLine(each, { timestamp: i, sidecarSeq: 0, seq: i + 1 })));
}

function logOf(lines: readonly Buffer[]): StoredLog {
  const bytes = Buffer.concat(lines);
  return { end: bytes.length, readStored: async (from, to) => bytes.subarray(from, to) };
}

/** All that a next daemon finds out from the log. */
async function foundIn(log: StoredLog, checkpoint?: Checkpoint) {
  const { count, prompts, totals, unpricedTurn } = await openTurnsOf(log, checkpoint);
  const inputs = await readInputs(log, new Inputs(), checkpoint);
  const answers = await Promise.all(
    [1, 2, 3, 4].map((n) =>
      inputs.answer(String(n), { decision: "approve_once" }, async () => {}).catch((error: unknown) => String(error)),
    ),
  );
  return {
    count,
    prompts,
    totals,
    unpricedTurn,
    open: inputs.open,
    answers,
    ends: await looseEndsOf(log, 99, checkpoint),
  };
}

test("a log is the same read as a whole and from any chain of checkpoints in it", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(event, { maxLength: 40 }),
      fc.array(fc.nat(40), { maxLength: 3 }),
      async (events, places) => {
        const lines = linesOf(events);
        const all = logOf(lines);
        let checkpoint: Checkpoint | undefined;
        for (const count of places.sort((a, b) => a - b)) {
          if (count === 0 || count > lines.length) continue;
          checkpoint = await believed(all, await checkpointOf(logOf(lines.slice(0, count)), count, checkpoint));
          expect(checkpoint?.seq).toBe(count);
        }
        expect(await foundIn(all, checkpoint)).toEqual(await foundIn(all));
      },
    ),
    { numRuns: 300 },
  );
});

test("one that does not fit the log is not believed", async () => {
  const prompt: SessionEvent = { type: "user_message", data: { turn_id: "t1", kind: "prompt", text: "go" } };
  const said: SessionEvent = { type: "stdout", data: { text: "said" } };
  const lines = linesOf([said, prompt, said, said]);
  const log = logOf(lines);
  const made = await checkpointOf(logOf(lines.slice(0, 3)), 3, undefined);
  if (!made) throw new Error("no checkpoint");
  expect(await believed(log, made)).toEqual(made);
  const lies: Partial<Checkpoint>[] = [
    { offset: log.end + 1 },
    { offset: made.offset - 1 },
    { offset: log.end },
    { seq: 4 },
    { proof: "" },
    { open: [1] },
    { open: [made.offset] },
  ];
  for (const lie of lies) expect(await believed(log, { ...made, ...lie })).toBeUndefined();
  const otherWords = linesOf([said, prompt, { type: "stdout", data: { text: "SAID" } }, said]);
  expect(await believed(logOf(otherWords), made)).toBeUndefined();
  expect(await believed(logOf(lines.slice(0, 2)), made)).toBeUndefined();
});

test("a log in which hundreds of things are open has none, and is read as a whole", async () => {
  const calls = Array.from({ length: 201 }, (_, n): SessionEvent => {
    return { type: "tool_use", data: { turn_id: "t1", id: `c${n}`, name: "Bash", kind: "execute", input: {} } };
  });
  expect(await checkpointOf(logOf(linesOf(calls)), calls.length, undefined)).toBeUndefined();
  expect(await checkpointOf(logOf(linesOf(calls.slice(1))), calls.length - 1, undefined)).toBeDefined();
});
