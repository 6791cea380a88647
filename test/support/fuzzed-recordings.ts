/** Whatever an agent prints, reading it never throws, and only events of the protocol come of it. */
import fc from "fast-check";
import { expect, test, vi } from "vitest";
import { SessionEvent } from "../../src/protocol/event.ts";
import { mutated, recordingsOf } from "./mutated-recordings.ts";
import { callsOf, questionsOf, type RecordedAgent, resultsOf } from "./recorded-cases.ts";

/** Thousands of cases take half a minute of a busy machine; fewer would find less. */
const testTimeout = 120_000;

export function fuzzRecordings<Meta>(agent: RecordedAgent<Meta>, options: { meta: Meta; runs: number }): void {
  const { meta, runs } = options;
  vi.setConfig({ testTimeout });

  test("mutated recordings give events of the protocol, and each turn that was asked for ends once", () => {
    fc.assert(
      fc.property(mutated(recordingsOf(agent.name)), (lines) => {
        const { events, turnIds } = agent.replay(lines, meta);
        for (const event of events) SessionEvent.parse(event);
        const ended = resultsOf(events).flatMap(({ origin, turn_id }) => (origin === undefined ? [turn_id] : []));
        expect(ended.toSorted()).toEqual(turnIds.toSorted());
        expect(callsOf(events, "tool_result")).toEqual(callsOf(events, "tool_use"));
        expect(questionsOf(events, "input_resolved")).toEqual(questionsOf(events, "input_required"));
      }),
      { numRuns: runs },
    );
  });

  test("lines that are nothing like the agent's are passed on as they are", () => {
    fc.assert(
      fc.property(fc.array(fc.oneof(fc.string(), fc.json()), { maxLength: 20 }), (lines) => {
        for (const event of agent.replay(lines, meta).events) SessionEvent.parse(event);
      }),
      { numRuns: 500 },
    );
  });
}
