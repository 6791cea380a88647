import { PassThrough } from "node:stream";
import { expect, test } from "vitest";
import { showStep } from "../../../cmd/images.ts";
import { openProgress } from "../../../cmd/progress.ts";
import { startingWords } from "../../../cmd/run.ts";

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

test("of images being built each step stays, and what it says of itself until the next one", () => {
  const lines = ["Building agentruntime-agent", "  Step 1/9 : FROM debian", "Built agentruntime-agent"];
  for (const isTerminal of [true, false]) {
    const { stream, written } = screen(80);
    const progress = openProgress({ stream, isTerminal, nowMs: () => 0 });
    const out: string[] = [];
    for (const line of lines) showStep(line, { progress, out: (text) => out.push(text) });
    const shown = written();
    progress.end();
    const step = "Step 1/9 : FROM debian";
    expect(out).toEqual([`${lines[0]}\n`, ...(isTerminal ? [] : [`${step}\n`]), `${lines[2]}\n`]);
    expect(shown).toBe(isTerminal ? `\r⠋ ${step}\x1b[K` : "");
  }
});

test("who waits for a session is told which agent starts, and where that takes long", () => {
  expect(startingWords({ agent: "claude", runtime: "local" })).toBe("Starting claude");
  expect(startingWords({ agent: "claude", runtime: "docker" })).toBe("Starting claude in a container");
});
