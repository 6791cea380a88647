/** Keys of a terminal, with a stream in its place: what is a key, what is text, and that typing answers nothing. */

import { PassThrough } from "node:stream";
import { setImmediate as nextRound } from "node:timers/promises";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { openTypedInput, typingMs } from "../../../cmd/typed-input.ts";

/** The clock stands still but for what the tests let pass. */
beforeEach(() => {
  vi.useFakeTimers({ toFake: ["performance"] });
});
afterEach(() => {
  vi.useRealTimers();
});
const beQuiet = () => vi.advanceTimersByTime(typingMs);

function terminal({ isTTY = true } = {}) {
  const stream = new PassThrough();
  const modes: boolean[] = [];
  const told = { lines: [] as string[], keys: [] as string[], echoed: "", interrupts: 0, ends: 0 };
  const stdin = Object.assign(stream, { isTTY, setRawMode: (on: boolean) => modes.push(on) });
  const input = openTypedInput({
    stdin,
    onLine: (line) => told.lines.push(line),
    onEnd: () => {
      told.ends++;
    },
    onKey: (key) => {
      told.keys.push(key);
      return "asd".includes(key);
    },
    onInterrupt: () => {
      told.interrupts++;
    },
    echo: (text) => {
      told.echoed += text;
    },
  });
  const type = async (text: string) => {
    stream.write(text);
    // Streams hand on within a round.
    await nextRound();
    await nextRound();
  };
  return { input, told, modes, type };
}

test("a key answers while keys are wanted, and lines are lines again afterwards", async () => {
  const { input, told, modes, type } = terminal();
  input.wantKeys(true);
  beQuiet();
  await type("a");
  input.wantKeys(false);
  await type("and on\n");
  input.close();
  expect(told).toEqual({ lines: ["and on"], keys: ["a"], echoed: "", interrupts: 0, ends: 1 });
  expect(modes).toEqual([true, false]);
});

test("who is in the midst of typing answers nothing", async () => {
  const { input, told, modes, type } = terminal();
  input.wantKeys(true);
  await type("a");
  await type("dd tests\n");
  beQuiet();
  await type("s");
  input.close();
  expect(told).toEqual({ lines: ["add tests"], keys: ["s"], echoed: "a", interrupts: 0, ends: 1 });
  expect(modes).toEqual([true, false, true, false]);
});

test("another key begins a line, and Ctrl+C interrupts", async () => {
  const { input, told, type } = terminal();
  input.wantKeys(true);
  beQuiet();
  await type("\x03");
  await type("/");
  await type("deny no\n");
  input.close();
  expect(told).toEqual({ lines: ["/deny no"], keys: ["/"], echoed: "/", interrupts: 1, ends: 1 });
});

test("without a terminal everything is a line", async () => {
  const { input, told, modes, type } = terminal({ isTTY: false });
  input.wantKeys(true);
  beQuiet();
  await type("a\n");
  input.close();
  expect(told).toMatchObject({ lines: ["a"], keys: [] });
  expect(modes).toEqual([]);
});

test("Ctrl+D ends the input while keys are wanted too", async () => {
  const { input, told, type } = terminal();
  input.wantKeys(true);
  await type("\x04");
  expect(told).toMatchObject({ keys: [], ends: 1 });
  input.close();
});
