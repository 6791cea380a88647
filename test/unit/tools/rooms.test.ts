import { expect, test } from "vitest";
import { forbiddenArrows } from "../../tools/rooms.ts";

test.each([
  ["src/session/a.ts", 'import { x } from "../protocol/line.ts";'],
  ["src/supervisor/a.ts", 'import type { x } from "../runtime/runtime.ts";'],
  ["src/supervisor/a.ts", 'import type { Config } from "../config.ts";'],
  ["src/daemon.ts", 'import { x } from "./api/server.ts";'],
  ["cmd/serve.ts", 'import { x } from "../src/daemon.ts";\nprocess.exit(1);'],
  ["sidecar/claude/harness.ts", 'import { x } from "../../src/process/tree.ts";'],
  ["src/session/a.ts", '// import { x } from "../api/server.ts"\n/* process.exit */'],
])("%s may say %s", (file, text) => {
  expect(forbiddenArrows([file], () => text)).toEqual([]);
});

test.each([
  ["src/session/a.ts", 'import { x } from "../runtime/local.ts";'],
  ["src/session/a.ts", 'import type { x } from "../runtime/local.ts";'],
  ["src/session/a.ts", 'const { x } = await import("../runtime/local.ts");'],
  ["src/session/a.ts", 'import {\n  x,\n  y,\n} from "../supervisor/link.ts";'],
  ["src/session/a.ts", 'import { spawn } from "node:child_process";'],
  ["src/protocol/a.ts", 'import { readFileSync } from "node:fs";'],
  ["src/protocol/a.ts", 'export * from "../session/log.ts";'],
  ["src/bridge/a.ts", 'import { WebSocket } from "ws";'],
  ["src/supervisor/a.ts", 'import fastify from "fastify";'],
  ["src/supervisor/a.ts", 'import { readConfig } from "../config.ts";'],
  ["src/client/a.ts", 'import { x } from "../daemon.ts";'],
  ["src/process/a.ts", 'import { x } from "../runtime/local.ts";'],
  ["sidecar/server.ts", 'import { x } from "../src/session/log.ts";'],
  ["src/daemon.ts", 'import { x } from "../cmd/serve.ts";'],
  ["src/daemon.ts", 'import { x } from "../test/support/eventually.ts";'],
  ["src/config.ts", 'import { Command } from "commander";'],
  ["cmd/serve.ts", 'import { x } from "../src/session/log.ts";'],
  ["src/api/server.ts", "process.exit(1);"],
])("%s may not say %s", (file, text) => {
  expect(forbiddenArrows([file], () => text)).toHaveLength(1);
});
