/** Whatever the agent prints, reading it never throws, and only events of the protocol come of it. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { SessionEvent } from "../../../src/protocol/event.ts";
import { mutated, recordingsOf } from "../../support/mutated-recordings.ts";
import { type CaseMeta, replayCase } from "./replay-case.ts";

const recordings = recordingsOf("acp");
const meta: CaseMeta = { agent: "OpenCode", shows: "a mutated recording", exit: 1 };

test("mutated recordings give events of the protocol, and each turn that was asked for ends once", () => {
  fc.assert(
    fc.property(mutated(recordings), (lines) => {
      const { events, turnIds } = replayCase(lines, meta);
      for (const event of events) SessionEvent.parse(event);
      const ended = events.flatMap((event) =>
        event.type === "result" && event.data.origin === undefined ? [event.data.turn_id] : [],
      );
      expect(ended.toSorted()).toEqual(turnIds.toSorted());
      const calls = events.flatMap((event) => (event.type === "tool_use" ? [event.data.id] : []));
      const results = events.flatMap((event) => (event.type === "tool_result" ? [event.data.id] : []));
      expect(results.toSorted()).toEqual(calls.toSorted());
    }),
    { numRuns: 1500 },
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
