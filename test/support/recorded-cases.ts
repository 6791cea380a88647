/**
 * Every recorded stream of an agent gives the events that lie beside it. A new case is a new folder with raw.ndjson and
 * meta.json; `UPDATE_CASES=1` writes its events.ndjson, which is then read and judged.
 */
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import type * as z from "zod";
import { SessionEvent } from "../../src/protocol/event.ts";

/** What comes of a recording. */
export interface Replay {
  events: SessionEvent[];
  /** Turns that were accepted, in order. */
  turnIds: string[];
}

export interface RecordedAgent<Meta> {
  name: "claude" | "codex" | "opencode" | "acp";
  /** What a recording does not say by itself. */
  meta: z.ZodType<Meta>;
  replay(lines: readonly string[], meta: Meta): Replay;
}

const home = fileURLToPath(new URL("../fixtures/transcripts", import.meta.url));
const isUpdating = process.env["UPDATE_CASES"] === "1";

/** A line of a recording that holds both directions. A torn or mutated one is none: it is for the normalizer to read. */
export function recordedLine<T>(shape: z.ZodType<T>, line: string): T | undefined {
  try {
    return shape.safeParse(JSON.parse(line)).data;
  } catch {
    return undefined;
  }
}

export function testRecordings<Meta>(agent: RecordedAgent<Meta>, options: { atLeast: number }): void {
  const cases = readdirSync(`${home}/${agent.name}`);
  test("there are recordings", () => {
    expect(cases.length).toBeGreaterThanOrEqual(options.atLeast);
  });
  describe.each(cases)("%s", (name) => testRecording(agent, `${home}/${agent.name}/${name}`));
}

function testRecording<Meta>(agent: RecordedAgent<Meta>, folder: string): void {
  const meta = agent.meta.parse(JSON.parse(readFileSync(`${folder}/meta.json`, "utf8")));
  const { events, turnIds } = agent.replay(linesOf(`${folder}/raw.ndjson`), meta);

  test("gives the events that lie beside it", () => {
    const text = events.map((event) => `${JSON.stringify(event)}\n`).join("");
    if (isUpdating) writeFileSync(`${folder}/events.ndjson`, text);
    expect(events).toEqual(linesOf(`${folder}/events.ndjson`).map((line) => JSON.parse(line)));
  });

  test("gives only events of the protocol", () => {
    for (const event of events) expect(SessionEvent.parse(event)).toEqual(event);
  });

  test("ends each turn once", () => {
    const asked = resultsOf(events).filter(({ origin }) => origin === undefined);
    expect(asked.map(({ turn_id }) => turn_id)).toEqual(turnIds);
    const all = resultsOf(events).map(({ turn_id }) => turn_id);
    expect(new Set(all).size).toBe(all.length);
  });

  test("gives each tool call one result", () => {
    expect(callsOf(events, "tool_result")).toEqual(callsOf(events, "tool_use"));
  });

  test("closes all text that was streamed", () => {
    const texts = events.flatMap((event) => (event.type === "agent_message" ? [event.data] : []));
    const streamed = new Set(texts.filter(({ delta }) => delta).map(({ item_id }) => item_id));
    const whole = texts.filter(({ delta }) => !delta).map(({ item_id }) => item_id);
    expect(new Set(whole).size).toBe(whole.length);
    for (const item of streamed) expect(whole).toContain(item);
  });
}

function linesOf(path: string): string[] {
  return readFileSync(path, "utf8")
    .split("\n")
    .filter((line) => line !== "");
}

export function resultsOf(events: readonly SessionEvent[]) {
  return events.flatMap((event) => (event.type === "result" ? [event.data] : []));
}

/** The ids of tool calls, or of their results, sorted. */
export function callsOf(events: readonly SessionEvent[], type: "tool_use" | "tool_result"): string[] {
  return events.flatMap((event) => (event.type === type ? [event.data.id] : [])).toSorted();
}

/** The ids of questions, or of what became of them, sorted. */
export function questionsOf(events: readonly SessionEvent[], type: "input_required" | "input_resolved"): string[] {
  return events.flatMap((event) => (event.type === type ? [event.data.request_id] : [])).toSorted();
}
