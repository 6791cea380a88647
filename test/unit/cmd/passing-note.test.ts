import { expect, test } from "vitest";
import type { NoteAbout } from "../../../cmd/typed-acts.ts";
import { isOver, passingNote, type Surroundings } from "../../../cmd/view/passing-note.ts";

const then: Surroundings = { nowMs: 1000, turnsEnded: 3, hasEnded: false, isOpen: () => true };
const longAfter = { nowMs: 100_000 };

test.each<{ about: NoteAbout; now: Partial<Surroundings>; over: boolean }>([
  { about: { what: "reader" }, now: { ...longAfter, hasEnded: true }, over: false },
  { about: { what: "moment" }, now: { nowMs: 1500 }, over: false },
  { about: { what: "moment" }, now: longAfter, over: true },
  { about: { what: "ways out" }, now: { nowMs: 2900 }, over: false },
  { about: { what: "ways out" }, now: { nowMs: 3000 }, over: true },
  { about: { what: "ways out" }, now: { nowMs: 1100, hasEnded: true }, over: true },
  { about: { what: "turn" }, now: longAfter, over: false },
  { about: { what: "turn" }, now: { turnsEnded: 4 }, over: true },
  { about: { what: "turn" }, now: { hasEnded: true }, over: true },
  { about: { what: "question", requestId: "r" }, now: longAfter, over: false },
  { about: { what: "question", requestId: "r" }, now: { nowMs: 1500, isOpen: () => false }, over: false },
  { about: { what: "question", requestId: "r" }, now: { ...longAfter, isOpen: () => false }, over: true },
  { about: { what: "question", requestId: "r" }, now: { ...longAfter, hasEnded: true }, over: true },
])("a note about $about.what is over: $over, with $now", ({ about, now, over }) => {
  expect(isOver(passingNote("text", about, then), { ...then, ...now })).toBe(over);
});
