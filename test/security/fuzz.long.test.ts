import { expect, onTestFinished, test } from "vitest";
import { expectHeard } from "./fuzz/expect-heard.ts";
import { Fuzzing } from "./fuzz/fuzzing.ts";

/** The heap's own breathing, and what is kept by number: tokens, tickets, answers. */
const grownMibMax = 48;

test("100,000 inputs that nobody would send: no fault, no hang, and memory stays", async () => {
  const seed = Math.floor(Math.random() * 1e9);
  const fuzzing = await Fuzzing.open({ memory: true });
  onTestFinished(() => fuzzing.close());
  const { faults, inputs, aliveShare, statuses, said, grownMib } = await fuzzing.run({
    inputs: 100_000,
    seed,
    memory: true,
  });
  console.log(
    `seed ${seed}: ${inputs} inputs, ${JSON.stringify({ statuses, said })}, ${grownMib?.toFixed(1)} MiB more`,
  );
  expect(faults, `seed ${seed}`).toEqual([]);
  expect(inputs).toBeGreaterThanOrEqual(100_000);
  expect(aliveShare).toBeGreaterThan(0.8);
  expectHeard(said);
  expect(grownMib).toBeLessThan(grownMibMax);
}, 1_800_000);
