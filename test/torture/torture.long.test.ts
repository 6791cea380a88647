import { expect, test } from "vitest";
import { huntMutation } from "./hunt.ts";
import { mutationNamed } from "./mutated-dist.ts";
import { startRealAgents } from "./real-agents.ts";
import { printReport } from "./report.ts";
import { torture } from "./torture.ts";

/** Seeds that once found something, and what it was: they stay. */
const foundOnce: readonly [seed: number, what: string][] = [
  [1, "a second exit behind the first, when the daemon died before the record of the end"],
  [2, "a steer that the agent had and the log had not, when the daemon died in between"],
  [10, "the draft of a lock, when the daemon died while it took it"],
  [20, "a call without an end, behind a prompt that was taken back while it ran"],
  [40, "a prompt taken back from a daemon that had not heard yet that it ran"],
];

test.each(foundOnce)("seed %i, which once found %s, finds nothing", async (seed) => {
  const report = await torture({ seed, durationMs: 20_000, actors: 4, chatters: 0 });
  console.log(printReport(report));
  expect(report.problems).toEqual([]);
  expect(report.total.numbers).toBeGreaterThan(0);
});

test("chats beside sessions: nothing is found", async () => {
  const report = await torture({ seed: 11, durationMs: 20_000, actors: 4, chatters: 2 });
  console.log(printReport(report));
  expect(report.problems).toEqual([]);
  expect(report.chats.accepted).toBeGreaterThan(0);
});

test("sessions that are stopped on a disk that stays full for longer than a stop lose nothing", async () => {
  const report = await torture({
    seed: 3,
    durationMs: 60_000,
    actors: 4,
    chatters: 0,
    weights: { "fill disk and stop session": 60 },
  });
  console.log(printReport(report));
  expect(report.problems).toEqual([]);
  expect(report.faults["fill disk and stop session"]).toBeGreaterThan(0);
});

test.each([
  "ack-before-store",
  "skip-seq-at-adoption",
  "drop-queued-at-recovery",
  "create-keyed-twice",
  "lose-chat-message",
  "trim-spool-too-early",
])("the fault %s, put in on purpose, is found", async (name) => {
  const { seconds, problem } = await huntMutation(mutationNamed(name), { seed: 100, limitMs: 240_000, actors: 4 });
  console.log(`${name}: ${problem ?? "not found"} (${seconds} s)`);
  expect(problem).toBeDefined();
});

test("the real Claude Code and Codex beside the counting agent: nothing is found either", async () => {
  const real = await startRealAgents();
  try {
    const report = await torture({ seed: 5, durationMs: 60_000, actors: 4, extra: real });
    console.log(printReport(report));
    expect(report.problems).toEqual([]);
    // That of one agent nothing is found says something only when it has said something.
    for (const { agent } of [{ agent: "counts" }, ...real.casts]) {
      const { events, numbers, outcomes } = report.agents[agent] ?? {};
      expect({ agent, events, numbers, done: outcomes?.["success"] }).toEqual({
        agent,
        events: expect.toSatisfy(isSome),
        numbers: expect.toSatisfy(isSome),
        done: expect.toSatisfy(isSome),
      });
    }
  } finally {
    await real.stop();
  }
});

function isSome(count: unknown): boolean {
  return typeof count === "number" && count > 0;
}
