import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";

const root = fileURLToPath(new URL("..", import.meta.url));

/** A folder: each run leaves its results there as JSON, for `.ci/run`. */
const reportDir = process.env["AGENTRUNTIME_TEST_REPORTS"];

const reporters = ["default", ...(reportDir ? ["json"] : [])];

/** No measure of speed: what hangs ends, and a machine with much else to do passes. */
const e2e = {
  root,
  testTimeout: 120_000,
  hookTimeout: 120_000,
  maxWorkers: 2,
  // After the unit tests: two groups may not share the machine when they share it differently.
  sequence: { groupOrder: 1 },
  globalSetup: ["test/support/leak-guard-global.ts"],
  setupFiles: ["test/support/leak-guard.ts"],
};

export default defineConfig({
  root,
  test: {
    passWithNoTests: true,
    reporters,
    ...(reportDir ? { outputFile: { json: `${reportDir}/${process.pid}.json` } } : {}),
    projects: [
      {
        test: {
          name: "unit",
          root,
          include: ["test/{unit,docs}/**/*.test.ts"],
          testTimeout: 60_000,
          hookTimeout: 60_000,
          maxWorkers: 2,
        },
      },
      {
        test: {
          ...e2e,
          name: "e2e",
          include: ["test/{e2e,torture,security}/**/*.test.ts"],
          exclude: ["test/**/*.long.test.ts"],
        },
      },
      {
        test: {
          ...e2e,
          name: "docker",
          include: ["test/docker/**/*.test.ts"],
          // One engine, and one range of public addresses on it.
          maxWorkers: 1,
        },
      },
      {
        test: {
          ...e2e,
          name: "long",
          include: ["test/**/*.long.test.ts"],
          exclude: ["test/torture/**"],
          testTimeout: 600_000,
          sequence: { groupOrder: 2 },
        },
      },
      {
        test: {
          ...e2e,
          name: "torture",
          include: ["test/torture/**/*.long.test.ts"],
          testTimeout: 600_000,
          // Behind the others: it takes the whole machine, and what it looks for shows only while it has it.
          sequence: { groupOrder: 3 },
        },
      },
    ],
  },
});
