import * as fc from "fast-check";
import { expect, test } from "vitest";
import { type FaultKind, LogCheck, type Report } from "../../tools/log-check.ts";

type Row = [type: string, data: Record<string, unknown>, sidecarSeq: number];

const rows: readonly Row[] = [
  ["user_message", { turn_id: "t1", kind: "prompt", text: "hello" }, 0],
  ["system", { subtype: "init" }, 1],
  ["agent_message", { turn_id: "t1", item_id: "m:0", text: 'a "quoted \\" text" with  blanks', delta: false }, 2],
  ["tool_use", { turn_id: "t1", id: "a", name: "Bash", kind: "execute", input: {} }, 3],
  ["user_message", { turn_id: "t2", kind: "prompt", text: "next" }, 3],
  ["tool_result", { turn_id: "t1", id: "a", name: "Bash", output: "", is_error: false, duration_ms: 1 }, 4],
  ["result", { turn_id: "t1", status: "success" }, 5],
  ["result", { turn_id: "t1.1", status: "success", origin: "agent" }, 6],
  ["result", { turn_id: "t2", status: "withdrawn" }, 6],
  ["exit", { code: 0 }, 7],
];

test("finds nothing wrong with a whole log, however it is cut into chunks", () => {
  const log = encode(rows);
  void fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 200 }), { minLength: 1 }), (sizes) => {
      const report = check(log, sizes);
      expect(report.faults).toEqual([]);
      expect(report).toMatchObject({
        bytes: log.length,
        lines: 10,
        firstSeq: 1,
        lastSeq: 10,
        sidecarSeq: 7,
        ended: true,
      });
      expect(report.daemonBorn).toBe(3);
    }),
  );
});

test("accepts a log that has not ended and one whose head was removed", () => {
  expect(check(encode(rows.slice(0, 4))).faults).toEqual([]);
  expect(check(encode(rows.slice(5), 6)).faults).toEqual([]);
  expect(check(Buffer.alloc(0))).toMatchObject({ lines: 0, ended: false, faults: [] });
});

const lines = encode(rows).toString().trimEnd().split("\n");
const damaged: [what: string, kind: FaultKind, lineAt: number, log: string][] = [
  ["a torn tail", "torn_line", 10, `${join(lines)}{"type":"sys`],
  ["half a line in the middle", "not_json", 2, join(replaced(2, lines[2]?.slice(0, 20) ?? ""))],
  ["an empty line", "not_json", 4, join([...lines.slice(0, 4), "", ...lines.slice(4)])],
  ["a blank after a colon", "not_compact", 3, join(replaced(3, lines[3]?.replace('"data":', '"data": ') ?? ""))],
  ["a line without seq", "missing_field", 1, join(replaced(1, lines[1]?.replace(/,"seq":\d+/, "") ?? ""))],
  ["a line lost", "seq", 2, join(without(2))],
  ["a line doubled", "seq", 3, join([...lines.slice(0, 3), ...lines.slice(2)])],
  ["a sidecar's event lost", "sidecar_seq", 2, encode(rows.filter((_, i) => i !== 2)).toString()],
  ["a sidecar_seq that goes down", "sidecar_seq", 4, join(replaced(4, lines[4]?.replace('seq":3', 'seq":2') ?? ""))],
  ["a second exit", "exit_count", 10, encode([...rows, ["exit", { code: 0 }, 8]]).toString()],
  ["an event after exit", "after_exit", 10, encode([...rows, ["system", { subtype: "x" }, 8]]).toString()],
  ["a tool without result", "tool_result", 3, encode(renumbered(5)).toString()],
  ["a prompt without result", "prompt_result", 4, encode(renumbered(8)).toString()],
  [
    "a prompt with two results",
    "prompt_result",
    9,
    encode([...rows.slice(0, 9), ["result", { turn_id: "t2" }, 7]]).toString(),
  ],
];

test.each(damaged)("%s is a fault of kind %s at its line", (_what, kind, lineAt, log) => {
  const at = log.split("\n").slice(0, lineAt).join("\n").length + (lineAt > 0 ? 1 : 0);
  expect(check(Buffer.from(log)).faults).toContainEqual({ kind, at, message: expect.any(String) });
});

function encode(given: readonly Row[], firstSeq = 1): Buffer {
  const text = given.map(([type, data, sidecarSeq], i) =>
    JSON.stringify({ type, data, timestamp: 1, sidecar_seq: sidecarSeq, seq: firstSeq + i }),
  );
  return Buffer.from(join(text));
}

function check(log: Buffer, sizes: readonly number[] = [64]): Report {
  const checker = new LogCheck();
  for (let at = 0, i = 0; at < log.length; i++) {
    const size = sizes[i % sizes.length] ?? 1;
    checker.push(Buffer.from(log.subarray(at, at + size)));
    at += size;
  }
  return checker.end();
}

function join(texts: readonly string[]): string {
  return texts.map((text) => `${text}\n`).join("");
}

function replaced(index: number, line: string): string[] {
  return lines.map((old, i) => (i === index ? line : old));
}

function without(index: number): string[] {
  return lines.filter((_, i) => i !== index);
}

/** The rows without one that the sidecar wrote, counted as if it had never been. */
function renumbered(index: number): Row[] {
  const isSidecars = (rows[index]?.[2] ?? 0) > (rows[index - 1]?.[2] ?? 0);
  return rows
    .map(([type, data, seq], i): Row => [type, data, isSidecars && i > index ? seq - 1 : seq])
    .filter((_, i) => i !== index);
}
