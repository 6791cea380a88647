import * as fc from "fast-check";
import { expect, test } from "vitest";
import type { SessionEvent } from "../../../src/protocol/event.ts";
import {
  encodeDaemonLine,
  encodeSidecarLine,
  parseLogLine,
  peekType,
  spliceSeq,
  tailNumbers,
} from "../../../src/protocol/line.ts";

const nasty = fc.constantFrom(
  '"sidecar_seq":1}',
  ',"sidecar_seq":9,"seq":9}\n',
  '{"type":"exit"}',
  "\ud800",
  "\udfff tail",
  "😀".slice(0, 1),
  "\u2028\u2029\0\r\n",
  "é€😀",
);
const texts = fc.oneof(
  nasty,
  fc.string(),
  fc.string({ unit: "binary" }),
  fc.array(nasty).map((parts) => parts.join("")),
);
const counts = fc.nat(Number.MAX_SAFE_INTEGER);
const events: fc.Arbitrary<SessionEvent> = fc.oneof(
  texts.map((text): SessionEvent => ({ type: "stdout", data: { text } })),
  texts.map(
    (text): SessionEvent => ({
      type: "agent_message",
      data: { turn_id: "t1", item_id: text, text, delta: false },
    }),
  ),
  fc.jsonValue().map(
    (input): SessionEvent => ({
      type: "tool_use",
      data: { turn_id: "t1", id: "a", name: "Bash", kind: "execute", input: { sidecar_seq: 1, seq: input } },
    }),
  ),
  fc.nat(255).map((code): SessionEvent => ({ type: "exit", data: { code } })),
);
const lines = fc.array(fc.record({ event: events, timestamp: fc.nat(), raw: fc.option(counts, { nil: undefined }) }), {
  minLength: 1,
  maxLength: 12,
});

test("a batch with seq spliced in parses back to what was encoded, each line with its own numbers", () => {
  void fc.assert(
    fc.property(lines, fc.nat(1_000_000), fc.integer({ min: 1, max: 2 ** 50 }), (given, firstSidecarSeq, firstSeq) => {
      const batch = Buffer.from(
        given.map((line, i) => encodeSidecarLine(line.event, numbersOf(line, firstSidecarSeq + i))).join(""),
      );
      const { bytes, telling } = spliceSeq(batch, firstSeq, given.length);
      const out = bytes.toString("utf8").split("\n");
      expect(out.pop()).toBe("");
      expect(telling.length).toBe(
        given.filter(({ event }) => !["agent_message", "progress", "stdout", "stderr"].includes(event.type)).length,
      );
      expect(out.map(parseLogLine)).toEqual(
        given.map((line, i) => ({
          ...wellFormed(line.event),
          ...(line.event.type === "exit" ? { exit_code: line.event.data.code } : {}),
          ...(line.raw === undefined ? {} : { raw: line.raw }),
          timestamp: line.timestamp,
          sidecar_seq: firstSidecarSeq + i,
          seq: firstSeq + i,
        })),
      );
    }),
  );
});

test("type and counts are read from a line without parsing it, whatever the text says", () => {
  void fc.assert(
    fc.property(events, counts, counts, (event, sidecarSeq, seq) => {
      const numbers = { timestamp: 1, sidecarSeq };
      const fromSidecar = encodeSidecarLine(event, numbers);
      const fromDaemon = encodeDaemonLine(event, { ...numbers, seq });
      expect(tailNumbers(fromSidecar)).toEqual({ ...numbers, seq: undefined });
      expect(tailNumbers(fromDaemon)).toEqual({ ...numbers, seq });
      expect(tailNumbers(fromDaemon.trimEnd())).toEqual({ ...numbers, seq });
      expect(peekType(Buffer.from(`x${fromDaemon}`), 1)).toBe(event.type);
      expect(fromDaemon).toBe(spliceSeq(Buffer.from(fromSidecar), seq, 1).bytes.toString());
    }),
  );
});

test("every line is one line, compact and valid UTF-8", () => {
  void fc.assert(
    fc.property(events, (event) => {
      const line = encodeDaemonLine(event, { timestamp: 1, sidecarSeq: 2, seq: 3 });
      expect(line.indexOf("\n")).toBe(line.length - 1);
      expect(Buffer.from(line).toString()).toBe(line);
      expect(line).toBe(`${JSON.stringify(JSON.parse(line))}\n`);
    }),
  );
});

test.each(["", "{}", '{"a":1}', '{"a":1}\n{"b"\n', '{"a":1}\n\n{"b":2}\n', "\n\n\n"])(
  "refuses %j: not whole lines",
  (text) => {
    expect(() => spliceSeq(Buffer.from(text), 1, text.split("\n").length - 1)).toThrow(RangeError);
  },
);

test.each(["", "{}\n", '{"seq":1}\n', '{"sidecar_seq":1,"seq":2} \n', '{"text":"\\"sidecar_seq\\":1}"}\n'])(
  "finds no counts in %j",
  (line) => {
    expect(tailNumbers(line)).toBeUndefined();
  },
);

function numbersOf(line: { timestamp: number; raw: number | undefined }, sidecarSeq: number) {
  return { timestamp: line.timestamp, sidecarSeq, ...(line.raw === undefined ? {} : { raw: line.raw }) };
}

/** JSON has one zero. */
function wellFormed(event: SessionEvent): SessionEvent {
  return JSON.parse(JSON.stringify(event)) as SessionEvent;
}
