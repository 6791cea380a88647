import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { DeltaShape } from "../../../sidecar/claude/delta-shape.ts";
import { type Delta, readDelta } from "../../../sidecar/claude/text-delta.ts";

function lineOf(text: string, changes: { kind?: "text" | "thinking"; index?: number; uuid?: string } = {}): string {
  const { kind = "text", index = 0, uuid = "7f7c8a52-0000-4000-8000-000000000000" } = changes;
  return JSON.stringify({
    type: "stream_event",
    event: { type: "content_block_delta", index, delta: { type: `${kind}_delta`, [kind]: text } },
    session_id: "11111111-2222-4333-8444-555555555555",
    parent_tool_use_id: null,
    uuid,
  });
}

function parsed(line: string): Delta {
  const delta = readDelta(JSON.parse(line));
  if (!delta || delta === "skip") throw new Error(`no piece: ${line}`);
  return delta;
}

function taught(line: string): DeltaShape {
  const shape = new DeltaShape();
  shape.learn(line, parsed(line));
  return shape;
}

/** Texts that look like the line around them, and ordinary ones. */
const texts = fc.oneof(
  fc.string({ unit: "grapheme" }),
  fc.constantFrom('"', "\\", '\\"', '","uuid":"x"}', '"delta":{"type":"text_delta","text":"', "\n\t", "é\u2028", '"}}'),
);

describe("a piece that is recognised by what is around its text", () => {
  it("is the one that parsing the line gives, whatever its text", () => {
    void fc.assert(
      fc.property(texts, texts, fc.uuid(), (first, text, uuid) => {
        const line = lineOf(text, { uuid });
        expect(taught(lineOf(first)).read(line)).toEqual(parsed(line));
      }),
    );
  });

  it("is never one where the line is anything else: cut, changed or of another block", () => {
    const shape = taught(lineOf("one"));
    const line = lineOf('two "quoted" \\ things');
    for (let at = 0; at < line.length; at++) {
      expect(shape.read(line.slice(0, at))).toBeUndefined();
      for (const other of ["", '"', "\\", "}", "x"]) {
        const changed = line.slice(0, at) + other + line.slice(at + 1);
        const found = shape.read(changed);
        if (found) expect(found).toEqual(parsed(changed));
      }
    }
    expect(shape.read(lineOf("three", { index: 1 }))).toBeUndefined();
    expect(shape.read(lineOf("three", { kind: "thinking" }))).toBeUndefined();
  });

  it("is none after a line whose last value is not the one that changes", () => {
    const odd = JSON.stringify({ ...JSON.parse(lineOf("one")), more: 1 });
    expect(taught(odd).read(odd)).toBeUndefined();
  });
});
