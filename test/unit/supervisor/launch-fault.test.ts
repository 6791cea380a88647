import { mkdir, realpath, rename } from "node:fs/promises";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { loadConfig } from "../../../src/config.ts";
import { localRuntime } from "../../../src/runtime/local.ts";
import type { Runtime } from "../../../src/runtime/runtime.ts";
import type { SessionWatch } from "../../../src/session/watch.ts";
import { openSqliteStore } from "../../../src/store/sqlite.ts";
import { Supervisor } from "../../../src/supervisor/supervisor.ts";
import { tempDir } from "../../support/temp-dir.ts";

const nothing = () => undefined;
const unwatched: SessionWatch = {
  opened: nothing,
  launched: nothing,
  begun: nothing,
  told: nothing,
  paused: nothing,
  ended: nothing,
  released: nothing,
};

test("a session that cannot be started, with a sidecar that cannot be ended, is nobody's no longer: its id is free", async () => {
  const dir = await tempDir();
  const path = (name: string) => join(dir.path, name);
  const config = loadConfig({
    flags: { dataDir: path("data") },
    environment: {},
    file: { agents: { sh: { command: "sh", harness: "generic" } } },
  });
  for (const name of ["data", "run", "work"]) await mkdir(path(name), { mode: 0o700 });
  const store = await openSqliteStore({ path: path("data/state.db"), isSynced: false });
  onTestFinished(async () => {
    await store.close();
    await dir.remove();
  });
  const local = localRuntime({
    program: { path: "none", environment: { PATH: process.env["PATH"] } },
    dataDir: path("data"),
    dataDirMark: "mark",
    launchTimeoutMs: 1000,
    sandbox: undefined,
    ready: { count: 0, dir: path("run"), onLost: nothing, onSkipped: nothing },
  });
  /** Something else is put in the place of the work dir while the sidecar comes up, and the engine goes. */
  const runtime: Runtime = {
    ...local,
    launch: async (bootstrap, spec) => {
      await rename(path("work"), path(`moved-${Date.now()}`));
      await mkdir(path("work"));
      return {
        address: local.addressOf(bootstrap, spec),
        gone: new Promise(() => undefined),
        connect: () => Promise.reject(new Error("nobody is there")),
        destroy: () => Promise.reject(new Error("the engine has gone")),
      };
    },
  };
  const told: string[] = [];
  const supervisor = new Supervisor({
    config,
    runtimes: new Map([["local", runtime]]),
    store,
    runDir: path("run"),
    keeperPath: "none",
    reread: () => config,
    log: (_level, message, fields) => told.push(`${message}: ${String(fields?.["error"])}`),
    watch: unwatched,
    onKeeperRestart: nothing,
    limitSupport: { memory: "no", cpus: "no", pids: "no" },
  });
  await supervisor.recover();
  const request = {
    agent: "sh",
    session_id: "11111111-2222-4333-8444-555555555555",
    work_dir: await realpath(path("work")),
    prompt: "hi",
  };
  for (const _ of [1, 2]) await expect(supervisor.create(request)).rejects.toMatchObject({ code: "invalid_work_dir" });
  expect((await supervisor.list({ order: "newest", limit: 10 })).page).toEqual([]);
  expect(told).toContain("the sidecar of a session that could not be started may be left: the engine has gone");
});
