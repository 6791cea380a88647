/** Whatever the agent prints, reading it never throws, and only events of the protocol come of it. */
import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import fc from "fast-check";
import { expect, test } from "vitest";
import { SessionEvent } from "../../../src/protocol/event.ts";
import { type CaseMeta, replayCase } from "./replay-case.ts";

const home = fileURLToPath(new URL("../../fixtures/transcripts/codex", import.meta.url));
const recordings = readdirSync(home).map((name) =>
  readFileSync(`${home}/${name}/raw.ndjson`, "utf8").split("\n").slice(0, -1),
);
const meta: CaseMeta = { cli: "any", shows: "a mutated recording", exit: 1 };

type Mutation =
  | { kind: "drop" | "double"; at: number }
  | { kind: "swap"; at: number; with: number }
  | { kind: "cut"; at: number; length: number }
  | { kind: "retype"; at: number; member: number; value: unknown };

const at = fc.nat(200);
const mutation: fc.Arbitrary<Mutation> = fc.oneof(
  fc.record({ kind: fc.constantFrom("drop" as const, "double" as const), at }),
  fc.record({ kind: fc.constant("swap" as const), at, with: at }),
  fc.record({ kind: fc.constant("cut" as const), at, length: fc.nat(400) }),
  fc.record({
    kind: fc.constant("retype" as const),
    at,
    member: fc.nat(60),
    value: fc.oneof(fc.jsonValue({ maxDepth: 2 }), fc.constant(undefined)),
  }),
);

function mutate(lines: readonly string[], mutations: readonly Mutation[]): string[] {
  const out = [...lines];
  for (const change of mutations) {
    const i = change.at % out.length;
    const line = out[i] ?? "";
    if (change.kind === "drop" && out.length > 1) out.splice(i, 1);
    else if (change.kind === "double") out.splice(i, 0, line);
    else if (change.kind === "swap") {
      const j = change.with % out.length;
      out[i] = out[j] ?? "";
      out[j] = line;
    } else if (change.kind === "cut") out[i] = line.slice(0, change.length);
    else if (change.kind === "retype") out[i] = retype(line, change.member, change.value);
  }
  return out;
}

/** Puts a value of another kind in place of the n-th member, at whatever depth. */
function retype(line: string, member: number, value: unknown): string {
  let count = 0;
  try {
    return JSON.stringify(JSON.parse(line, (_key, old: unknown) => (count++ === member ? value : old))) ?? "";
  } catch {
    return line;
  }
}

test("mutated recordings give events of the protocol, and each turn that was asked for ends once", () => {
  const story = fc.tuple(fc.constantFrom(...recordings), fc.array(mutation, { minLength: 1, maxLength: 8 }));
  fc.assert(
    fc.property(story, ([lines, mutations]) => {
      const { events, turnIds } = replayCase(mutate(lines, mutations), meta);
      for (const event of events) SessionEvent.parse(event);
      const ended = events.flatMap((event) =>
        event.type === "result" && event.data.origin === undefined ? [event.data.turn_id] : [],
      );
      expect(ended.toSorted()).toEqual(turnIds.toSorted());
      const calls = events.flatMap((event) => (event.type === "tool_use" ? [event.data.id] : []));
      const results = events.flatMap((event) => (event.type === "tool_result" ? [event.data.id] : []));
      expect(results.toSorted()).toEqual(calls.toSorted());
      const asked = events.flatMap((event) => (event.type === "input_required" ? [event.data.request_id] : []));
      const answered = events.flatMap((event) => (event.type === "input_resolved" ? [event.data.request_id] : []));
      expect(answered.toSorted()).toEqual(asked.toSorted());
    }),
    { numRuns: 1000 },
  );
});

test("lines that are nothing like the agent's are passed on as they are", () => {
  fc.assert(
    fc.property(fc.array(fc.oneof(fc.string(), fc.json()), { maxLength: 20 }), (lines) => {
      for (const event of replayCase(lines, meta).events) SessionEvent.parse(event);
    }),
    { numRuns: 500 },
  );
});
