/** Vitest for the conformance suite of the Durable Streams protocol: its own file of tests, in its own package. */
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";

export default defineConfig({
  root: dirname(fileURLToPath(import.meta.resolve("@durable-streams/server-conformance-tests"))),
  test: {
    include: ["test-runner.js"],
    exclude: [],
    reporters: ["json"],
    // A poll that nothing comes of takes the daemon's 30 s.
    testTimeout: 90_000,
    cache: false,
  },
});
