/** The one suite, run for an agent: each case is a test, what it found is a cell, and the cells are the agent's column in the docs. */
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import type { AgentUnderTest } from "./agent-under-test.ts";
import { allCases } from "./all-cases.ts";
import { Bench } from "./bench.ts";
import type { Case } from "./case.ts";
import { columnOf, printColumn, writeColumn } from "./case-table.ts";
import type { Place } from "./place.ts";

/** Set: the column is written rather than compared. */
const isWriting = process.env["AGENTRUNTIME_WRITE_TABLE"] === "1";

export function runHarnessSuite(agent: AgentUnderTest, open: () => Promise<Place>): void {
  vi.setConfig({ testTimeout: 300_000, hookTimeout: 120_000 });
  describe(agent.name, () => {
    const cells = new Map<string, string>();
    let bench: Bench;
    beforeAll(async () => {
      bench = await Bench.open(agent, await open());
    });
    afterEach(() => bench.caseOver());
    afterAll(() => bench?.close());

    it.each(allCases.map((row) => [row.name, row] as const))("%s", async (name, row) => {
      try {
        cells.set(name, await cellOf(row, bench));
      } catch (error) {
        await bench.caseFailed();
        throw error;
      }
    });

    it("the table in docs says what came of each case", async () => {
      printColumn(agent.name, cells);
      const { runtime } = bench.place;
      if (isWriting) return writeColumn(agent.name, runtime, cells);
      expect(Object.fromEntries(columnOf(agent.name, runtime))).toEqual(Object.fromEntries(cells));
    });
  });
}

async function cellOf(row: Case, bench: Bench): Promise<string> {
  const word = row.capability === undefined ? undefined : bench.capabilities[row.capability];
  if (word === "none") return refusedCell(row, bench);
  const found = await row.run(bench);
  if (word === undefined) return found ?? "yes";
  return found === undefined ? word : `${word}; ${found}`;
}

/** The daemon's refusal is the evidence. */
async function refusedCell({ name, refused }: Case, bench: Bench): Promise<string> {
  if (!refused) throw new Error(`GET /agents says that ${bench.agent.name} cannot: ${name}. What is refused then?`);
  const answer = await bench.ask({ prompt: "hello", ...refused });
  expect(answer).toMatchObject({ status: 400, body: { error: "unsupported_by_agent" } });
  return "not offered: 400 `unsupported_by_agent`";
}
