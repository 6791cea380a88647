import { PassThrough } from "node:stream";
import { expect, test } from "vitest";
import { openProgress } from "../../../cmd/progress.ts";

/** What stands in for a terminal of so many columns, and what was written to it. */
function screen(columns: number) {
  const stream = Object.assign(new PassThrough(), { columns });
  return { stream, written: () => String(stream.read() ?? "") };
}

test("on a terminal it is one line that fits, makes room for others, and goes", () => {
  const { stream, written } = screen(10);
  const progress = openProgress({ stream, isTerminal: true });
  progress.hide();
  expect(written()).toBe("");
  progress.say("fetching a lot of bytes");
  expect(written()).toBe("\r⠋ fetchin\x1b[K");
  progress.hide();
  progress.end();
  progress.end();
  expect(written()).toBe("\r\x1b[K\r\x1b[K");
});

test("elsewhere it is a plain line now and then, and none for what is over soon", () => {
  const { stream, written } = screen(80);
  let nowMs = 0;
  const progress = openProgress({ stream, isTerminal: false, nowMs: () => nowMs });
  for (; nowMs <= 12_000; nowMs += 100) progress.say(`${Math.floor(nowMs / 4000)} of 3`);
  progress.end();
  expect(written()).toBe("1 of 3\n2 of 3\n");
});
