import fc from "fast-check";
import { expect, test } from "vitest";
import { noUsage, type SessionEvent } from "../../../src/protocol/event.ts";
import { encodeDaemonLine } from "../../../src/protocol/line.ts";
import { checkpointOf } from "../../../src/session/checkpointing.ts";
import { Inputs, readInputs } from "../../../src/session/inputs.ts";
import { looseEndsOf } from "../../../src/session/loose-ends.ts";
import { openTurnsOf } from "../../../src/session/open-turns.ts";
import { readLinesBack } from "../../../src/session/read-back.ts";
import { readLines, type StoredLog } from "../../../src/session/read-lines.ts";

const prompt = (turn_id: string): SessionEvent => ({
  type: "user_message",
  data: { turn_id, kind: "prompt", text: `of ${turn_id}, "seq":7}` },
});
const result = (turn_id: string): SessionEvent => ({
  type: "result",
  data: { turn_id, session_id: "s", status: "success", cost_usd: 0, duration_ms: 1, num_turns: 1, usage: noUsage },
});
const output = (text: string): SessionEvent => ({ type: "stdout", data: { text } });
const call = (id: string): SessionEvent => ({
  type: "tool_use",
  data: { turn_id: "t1", id, name: "Bash", kind: "execute", input: {} },
});

function linesOf(events: readonly SessionEvent[]): string[] {
  return events.map((event, i) => encodeDaemonLine(event, { timestamp: i, sidecarSeq: 0, seq: i + 1 }));
}

interface Looked extends StoredLog {
  passed: Set<number>;
}

function logOf(lines: readonly (string | Buffer)[]): Looked {
  const bytes = Buffer.concat(lines.map((line) => Buffer.from(line)));
  const passed = new Set<number>();
  return {
    end: bytes.length,
    readStored: async (from, to) => bytes.subarray(from, to),
    passedOver: (at) => void passed.add(at),
    passed,
  };
}

async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = [];
  for await (const item of items) found.push(item);
  return found;
}

const told = /^\{"type":"(?:user_message|result)"/;
const ofTurn = (line: { data: object }) => ("turn_id" in line.data ? line.data.turn_id : undefined);
const events = [prompt("t1"), output("a"), result("t1"), prompt("t2"), result("t2"), prompt("t3")];

test.each([
  ["damaged in the middle", 2, (line: string) => line.replace('"status"', '"sta\0us"')],
  ["cut in the middle", 2, (line: string) => `${line.slice(0, 30)}\n`],
  ["of another kind of result than anybody knows", 2, (line: string) => line.replace('"success"', '"triumph"')],
])("a line that is %s is passed over, forward and back, and told", async (_what, index, damage) => {
  const lines = linesOf(events);
  const at = lines.slice(0, index).join("").length;
  const log = logOf(lines.map((line, i) => (i === index ? damage(line) : line)));
  expect((await all(readLines(log, told))).map(ofTurn)).toEqual(["t1", "t2", "t2", "t3"]);
  expect([...log.passed]).toContain(at);
  log.passed.clear();
  expect((await all(readLinesBack(log, told))).map(({ line }) => ofTurn(line))).toEqual(["t3", "t2", "t2", "t1"]);
  expect([...log.passed]).toEqual([at]);
});

const doubtful = async (lines: readonly string[]) =>
  (await openTurnsOf(logOf(lines))).prompts.map(({ turnId, isDoubtful = false }) => [turnId, isDoubtful]);

test.each([
  ["one that says it is a result", (lines: string[]) => lines.with(2, lines[2]?.replace('"status"', "sta") ?? "")],
  ["one that says nothing", (lines: string[]) => lines.with(2, "\0\0\0\0\n")],
  ["one that is gone", (lines: string[]) => lines.toSpliced(2, 1)],
  ["one that ran into the one before it", (lines: string[]) => lines.with(1, lines[1]?.replace("\n", "\0") ?? "")],
  ["somebody's, between two of ours", (lines: string[]) => lines.with(2, `# was: ${lines[2]}`)],
])(
  "a result may stand in a line that cannot be read, %s: only prompts behind it are surely open",
  async (_, damage) => {
    expect(await doubtful(damage(linesOf([...events, result("t9")])))).toEqual([
      ["t1", true],
      ["t3", false],
    ]);
  },
);

test("a damaged line that says it is no result leaves no doubt about prompts", async () => {
  const lines = linesOf([prompt("t1"), call("c"), prompt("t2")]);
  expect(await doubtful(lines.with(1, lines[1]?.replace('"name"', "na") ?? ""))).toEqual([
    ["t1", false],
    ["t2", false],
  ]);
});

test("the number of a turn whose prompt cannot be read is given to no other", async () => {
  const lines = linesOf(events);
  const damaged = lines.with(5, lines[5]?.replace('"kind"', "ki") ?? "");
  expect((await openTurnsOf(logOf(lines))).count).toBe(3);
  expect((await openTurnsOf(logOf(damaged))).count).toBe(3);
});

test("a line that is missing right behind a checkpoint is seen", async () => {
  const lines = linesOf(events);
  const end = lines.slice(0, 2).join("").length;
  const checkpoint = await checkpointOf({ ...logOf(lines), end }, 2, undefined);
  expect(checkpoint).toMatchObject({ offset: end, seq: 2 });
  const open = await openTurnsOf(logOf(lines.toSpliced(2, 1)), checkpoint);
  expect(open.prompts.map(({ turnId, isDoubtful = false }) => [turnId, isDoubtful])).toEqual([
    ["t1", true],
    ["t3", false],
  ]);
});

test("while it is in doubt what is open there is no checkpoint", async () => {
  const lines = linesOf(events);
  const damaged = lines.with(2, lines[2]?.replace('"status"', "sta") ?? "");
  expect(await checkpointOf(logOf(lines), lines.length, undefined)).toBeDefined();
  expect(await checkpointOf(logOf(damaged), lines.length, undefined)).toBeUndefined();
});

test("whatever a disk made of some bytes, all is read, and no prompt that had ended is surely open", async () => {
  const turns = fc.array(
    fc.constantFrom<"prompt" | "result" | "output" | "call">("prompt", "result", "output", "call"),
    {
      minLength: 4,
      maxLength: 30,
    },
  );
  await fc.assert(
    fc.asyncProperty(turns, fc.nat(), fc.integer({ min: 1, max: 600 }), async (kinds, place, length) => {
      const lines = linesOf(historyOf(kinds));
      const bytes = Buffer.from(lines.join(""));
      // The last line is another matter: half of one is cut off, and told by whoever opens the log.
      const room = bytes.length - Buffer.byteLength(lines.at(-1) ?? "");
      const from = place % room;
      bytes.fill(0, from, Math.min(room - 1, from + length));
      const open = new Set((await openTurnsOf(logOf(lines))).prompts.map(({ turnId }) => turnId));
      const log = logOf([bytes]);
      const found = (await openTurnsOf(log)).prompts.filter(({ isDoubtful }) => !isDoubtful);
      expect(found.filter(({ turnId }) => !open.has(turnId))).toEqual([]);
      await readInputs(log, new Inputs());
      await looseEndsOf(log, 1);
      await all(readLinesBack(log, /^/));
    }),
  );
});

/** Prompts and their results in the order in which a session has them. */
function historyOf(kinds: readonly ("prompt" | "result" | "output" | "call")[]): SessionEvent[] {
  let prompted = 0;
  let ended = 0;
  return [...kinds, "output" as const].map((kind, i) => {
    if (kind === "prompt") return prompt(`t${++prompted}`);
    if (kind === "result" && ended < prompted) return result(`t${++ended}`);
    return kind === "call" ? call(`c${i}`) : output(`line ${i}`);
  });
}
