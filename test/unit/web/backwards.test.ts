/** A log that is read from its end: whatever pieces it comes in, what is made of it is what reading it from the beginning makes. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { type LogLine, parseLogLine } from "../../../src/protocol/line.ts";
import { Conversation } from "../../../src/web/session/conversation.ts";

const usage = { input_tokens: 5, output_tokens: 2, cache_read_input_tokens: 1, cache_creation_input_tokens: 0 };

const shapes = {
  prompt: (id: string) => ({ type: "user_message", data: { turn_id: id, kind: "prompt", text: `do ${id}` } }),
  piece: (id: string) => ({
    type: "agent_message",
    data: { turn_id: "t1", item_id: id, text: `piece of ${id}. `, delta: true },
  }),
  whole: (id: string) => ({
    type: "agent_message",
    data: { turn_id: "t1", item_id: id, text: `all of ${id}`, delta: false },
  }),
  call: (id: string, turn_id = "t1") => ({
    type: "tool_use",
    data: { turn_id, id, name: "Bash", kind: "execute", input: { command: id } },
  }),
  came: (id: string) => ({
    type: "tool_result",
    data: { turn_id: "t1", id, name: "Bash", output: id, is_error: id === "1", duration_ms: 1 },
  }),
  asked: (id: string) => ({
    type: "input_required",
    data: { request_id: id, turn_id: "t1", kind: "permission", message: `may ${id}`, options: [] },
  }),
  answered: (id: string) => ({ type: "input_resolved", data: { request_id: id, decision: "deny", by: "client" } }),
  end: (id: string) => ({
    type: "result",
    data: { turn_id: id, session_id: "s", status: "success", cost_usd: 1, duration_ms: 2, num_turns: 1, usage },
  }),
  exit: { type: "exit", data: { code: 0 } },
};
type Lines = { line: LogLine; span: { start: number; end: number } }[];

/** Each event takes ten bytes of the log. */
function linesOf(events: readonly object[]): Lines {
  return events.map((event, at) => ({
    line: parseLogLine(JSON.stringify({ ...event, timestamp: 1000 + at, sidecar_seq: at + 1, seq: at + 1 })),
    span: { start: at * 10, end: at * 10 + 10 },
  }));
}

function forwards(lines: Lines): Conversation {
  const conversation = new Conversation();
  for (const { line, span } of lines) conversation.take(line, span);
  return conversation;
}

/** Opened when `known` lines were there, the others come; what stands before is read in pieces that end at `cuts`. */
function backwards(lines: Lines, known: number, cuts: readonly number[]) {
  const conversation = new Conversation(known * 10);
  /** When each line was read. */
  const steps = new Map<number, number>();
  const note = (read: Lines) => {
    const step = steps.size;
    for (const { span } of read) steps.set(span.start, step);
  };
  const coming = lines.slice(known);
  const goOn = (next: Lines[number]) => {
    conversation.take(next.line, next.span);
    note([next]);
  };
  const ends = [...new Set(cuts.map((cut) => cut % (known + 1)))].filter((cut) => cut < known).sort((a, b) => b - a);
  let to = known;
  for (const from of known === 0 ? [] : [...new Set([...ends, 0])]) {
    conversation.takeEarlier(lines.slice(from, to), from * 10);
    note(lines.slice(from, to));
    to = from;
    // Meanwhile it goes on.
    const next = coming.shift();
    if (next) goOn(next);
  }
  for (const next of coming) goOn(next);
  return { conversation, steps };
}

/** What people see of each item, from the first to the last. */
function told(conversation: Conversation): string[] {
  const { items } = conversation;
  return Array.from({ length: items.count }, (_, at) => {
    const { kind, hasFailed } = items.at(items.first + at);
    const open = conversation.openText(items.first + at);
    // Of a text that is still written no line is read again.
    return JSON.stringify([kind, hasFailed, open ?? startsOf(conversation, items.first + at)]);
  });
}

/** Where its lines stand, whichever of them is its first. */
function startsOf({ items }: Conversation, key: number): number[] {
  const { span, second } = items.at(key);
  return [span, ...(second ? [second] : [])].map(({ start }) => start).sort((a, b) => a - b);
}

/** The same for pieces: an item stands where the first of its lines that was read does, and of those that were read together the first. */
function toldInPieces(lines: Lines, steps: ReadonlyMap<number, number>): string[] {
  const places = new Map<string, { step: number; start: number }>();
  for (const { line, span } of lines) {
    const step = steps.get(span.start) ?? 0;
    const place = places.get(itemOf(line));
    if (!place || step < place.step) places.set(itemOf(line), { step, start: span.start });
  }
  const starts = [...places.values()].map(({ start }) => start);
  return told(forwards(lines))
    .map((text, at) => ({ text, start: starts[at] ?? 0 }))
    .sort((a, b) => a.start - b.start)
    .map(({ text }) => text);
}

/** Lines with the same name are one item. */
function itemOf({ type, data, seq }: LogLine): string {
  if (type === "agent_message") return `text ${data.item_id}`;
  if (type === "tool_use" || type === "tool_result") return `call ${data.id}`;
  if (type === "input_required" || type === "input_resolved") return `question ${data.request_id}`;
  return `line ${seq}`;
}

/** Items whose lines are held are those lines' items. */
function expectOwnLines(conversation: Conversation): void {
  const { items } = conversation;
  for (let key = items.first; key < items.first + items.count; key++) {
    const lines = conversation.openText(key) === undefined ? conversation.lines.get(key) : undefined;
    if (lines) expect(lines.map(({ seq }) => (seq - 1) * 10)).toEqual(startsOf(conversation, key));
  }
}

/** Each item is found by where each of its lines stands. */
function expectFound(conversation: Conversation): void {
  const { items } = conversation;
  const keys = Array.from({ length: items.count }, (_, at) => items.first + at);
  const found = keys.map((key) => startsOf(conversation, key).map((start) => items.indexHolding(start)));
  expect(found).toEqual(keys.map((key, at) => found[at]?.map(() => key)));
}

const turnsOf = ({ turns, items }: Conversation) =>
  turns.map(({ index, title, ...turn }) => ({
    ...{ ...turn, at: items.at(index).span.start },
    title: title.startsWith("do ") ? title : "",
  }));

/** A story in which everything ends at most once, and after it began; calls are within turns. */
const story = fc
  .tuple(steps(), fc.boolean())
  .map(([events, isOver]) => linesOf(isOver ? [...events, shapes.exit] : events));

function steps(): fc.Arbitrary<object[]> {
  return fc
    .array(fc.record({ what: fc.constantFrom("text", "tool", "question", "turn"), ends: fc.boolean() }), {
      maxLength: 30,
    })
    .map((steps) => {
      const events: object[] = [];
      const toEnd: object[] = [];
      let turn: string | undefined;
      for (const [at, { what, ends }] of steps.entries()) {
        const id = String(at);
        if (what === "turn") {
          if (turn !== undefined) events.push(shapes.end(turn));
          turn = ends ? `t${id}` : `t${id}.1`;
          // One that the agent begins has no prompt.
          if (ends) events.push(shapes.prompt(turn));
          continue;
        }
        if (what === "text") events.push(shapes.piece(id), shapes.piece(id));
        if (what === "tool") events.push(shapes.call(id, turn ?? "t"));
        if (what === "question") events.push(shapes.asked(id));
        const end = { text: shapes.whole(id), tool: shapes.came(id), question: shapes.answered(id) };
        if (ends) toEnd.push(end[what]);
        const next = at % 3 === 0 ? toEnd.shift() : undefined;
        if (next) events.push(next);
      }
      return [...events, ...toEnd.slice(0, toEnd.length >> 1)];
    });
}

test("pieces from the end make what the whole makes: items in their order, open texts, questions, turns, the end", () => {
  fc.assert(
    fc.property(story, fc.nat(60), fc.array(fc.nat(60), { maxLength: 6 }), (lines, at, cuts) => {
      const whole = forwards(lines);
      const { conversation: pieces, steps } = backwards(lines, Math.min(at, lines.length), cuts);
      expect(told(pieces)).toEqual(toldInPieces(lines, steps));
      expectOwnLines(pieces);
      expectFound(pieces);
      expect([...pieces.inputs.keys()]).toEqual([...whole.inputs.keys()]);
      expect(turnsOf(pieces)).toEqual(turnsOf(whole));
      const ends = ({ start, offset, exit, doing }: Conversation) => ({ start, offset, exit, doing });
      expect(ends(pieces)).toEqual(ends(whole));
    }),
    { numRuns: 500 },
  );
});

test("what ended asks nothing any more, whether its end was read first or last", () => {
  const lines = linesOf([shapes.asked("q"), shapes.prompt("t1"), shapes.exit]);
  expect(forwards(lines).inputs.size).toBe(0);
  const { conversation } = backwards(lines, 3, [2, 1]);
  expect([conversation.inputs.size, conversation.exit]).toEqual([0, { code: 0 }]);
});

test("an item is found by where its lines stand, a call that was read after its result too", () => {
  const lines = linesOf([shapes.call("1"), shapes.whole("m"), shapes.came("1"), shapes.prompt("t9")]);
  const { conversation } = backwards(lines, 4, [2]);
  const { items } = conversation;
  const kindAt = (offset: number) => items.kindAt(items.indexHolding(offset));
  expect([0, 10, 20, 30].map(kindAt)).toEqual(["tool", "agent", "tool", "user"]);
  expect(items.at(items.indexHolding(0))).toMatchObject({ span: { start: 20 }, second: { start: 0 }, hasFailed: true });
});

test("what stands beside a message that was long in coming is found where it is", () => {
  // A binary search by where lines are takes a wrong turn at a message whose whole stands behind what came meanwhile.
  const lines = linesOf([
    shapes.prompt("t1"),
    shapes.piece("m"),
    shapes.call("1"),
    shapes.call("2"),
    shapes.whole("m"),
    shapes.came("2"),
    shapes.came("1"),
    shapes.end("t1"),
  ]);
  const { items } = forwards(lines);
  const kindAt = (offset: number) => items.kindAt(items.indexHolding(offset));
  expect([0, 20, 30, 40, 50, 60, 70].map(kindAt)).toEqual(["user", "tool", "tool", "agent", "tool", "tool", "result"]);
  expect([items.indexHolding(20), items.indexHolding(60)]).toEqual([2, 2]);
  expect([items.indexHolding(30), items.indexHolding(50)]).toEqual([3, 3]);
  expect(items.at(items.indexHolding(40))).toMatchObject({ span: { start: 40, end: 50 }, second: undefined });
});

test("many pieces keep their order", () => {
  const lines = linesOf(Array.from({ length: 5000 }, (_, at) => shapes.prompt(`t${at}`)));
  const conversation = new Conversation(lines.length * 10);
  for (let to = lines.length; to > 0; to -= 50) conversation.takeEarlier(lines.slice(to - 50, to), (to - 50) * 10);
  const { items } = conversation;
  const starts = Array.from({ length: items.count }, (_, at) => items.at(items.first + at).span.start);
  expect(starts).toEqual(lines.map(({ span }) => span.start));
});
