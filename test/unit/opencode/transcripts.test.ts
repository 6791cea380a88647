/**
 * Every recorded stream gives the events that lie beside it. A new case is a new folder with raw.ndjson and meta.json;
 * `UPDATE_CASES=1` writes its events.ndjson, which is then read and judged.
 */
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { SessionEvent } from "../../../src/protocol/event.ts";
import { CaseMeta, replayCase } from "./replay-case.ts";

const home = fileURLToPath(new URL("../../fixtures/transcripts/opencode", import.meta.url));
const cases = readdirSync(home);
const isUpdating = process.env["UPDATE_CASES"] === "1";

const linesOf = (path: string) =>
  readFileSync(path, "utf8")
    .split("\n")
    .filter((line) => line !== "");

const textsOf = (events: readonly SessionEvent[]) =>
  events.flatMap((event) => (event.type === "agent_message" ? [event.data] : []));
const resultsOf = (events: readonly SessionEvent[]) =>
  events.flatMap((event) => (event.type === "result" ? [event.data] : []));
const idsOf = (events: readonly SessionEvent[], type: "tool_use" | "tool_result") =>
  events.flatMap((event) => (event.type === type ? [event.data.id] : [])).toSorted();

test("there are recordings", () => {
  expect(cases.length).toBeGreaterThan(35);
});

describe.each(cases)("%s", (name) => {
  const folder = `${home}/${name}`;
  const meta = CaseMeta.parse(JSON.parse(readFileSync(`${folder}/meta.json`, "utf8")));
  const { events, turnIds } = replayCase(linesOf(`${folder}/raw.ndjson`), meta);

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
    expect(idsOf(events, "tool_result")).toEqual(idsOf(events, "tool_use"));
  });

  test("closes all text that was streamed", () => {
    const texts = textsOf(events);
    const streamed = new Set(texts.filter(({ delta }) => delta).map(({ item_id }) => item_id));
    const whole = texts.filter(({ delta }) => !delta).map(({ item_id }) => item_id);
    expect(new Set(whole).size).toBe(whole.length);
    for (const item of streamed) expect(whole).toContain(item);
  });
});
