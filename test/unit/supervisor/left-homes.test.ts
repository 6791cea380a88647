import { existsSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { loadConfig } from "../../../src/config.ts";
import { sessionHome } from "../../../src/session/home.ts";
import { openSqliteStore } from "../../../src/store/sqlite.ts";
import type { Store } from "../../../src/store/store.ts";
import { collectLeftHomes } from "../../../src/supervisor/left-homes.ts";
import { type Claim, Registry } from "../../../src/supervisor/registry.ts";
import { Unfinished } from "../../../src/supervisor/unfinished.ts";
import { tempDir } from "../../support/temp-dir.ts";

const claim: Claim = { id: "new", name: undefined, conversation: "c", homeOf: undefined, by: undefined };

/** A data dir with a home that nobody knows; `meanwhile` happens while the store is asked of it. */
async function leftHome(meanwhile: (held: { registry: Registry }) => void) {
  const folder = await tempDir();
  const opened = await openSqliteStore({ path: join(folder.path, "state.db"), isSynced: false });
  onTestFinished(async () => {
    await opened.close();
    await folder.remove();
  });
  const config = loadConfig({ flags: { dataDir: join(folder.path, "data") }, environment: {} });
  const { dir, agentHome } = sessionHome(config.dataDir, "left");
  await mkdir(agentHome, { recursive: true });
  const registry = new Registry({ sessions: 0, sessionsOfOne: 0 });
  const isHomeUsed: Store["sessions"]["isHomeUsed"] = async (homeOf, besides) => {
    const isUsed = await opened.sessions.isHomeUsed(homeOf, besides);
    meanwhile({ registry });
    return isUsed;
  };
  const store: Store = { ...opened, sessions: { ...opened.sessions, isHomeUsed } };
  const collect = async (isDryRun = false) => {
    const unfinished = new Unfinished();
    const removed = await collectLeftHomes({ config, registry, store }, { isDryRun, unfinished });
    expect(unfinished.told).toEqual([]);
    return removed.map(({ session_id }) => session_id);
  };
  return { dir, collect };
}

test("a home that no session uses any more is removed, and only told of by who only looks", async () => {
  const { dir, collect } = await leftHome(() => undefined);
  expect([await collect(true), existsSync(dir)]).toEqual([["left"], true]);
  expect([await collect(), existsSync(dir)]).toEqual([["left"], false]);
});

test.each<[string, Claim]>([
  ["a session that goes on in it begins", { ...claim, homeOf: "left" }],
  ["its session comes back", { ...claim, id: "left" }],
])("it stays when %s while the store is asked", async (_, made) => {
  const { dir, collect } = await leftHome(({ registry }) => registry.claim(made));
  expect([await collect(), existsSync(dir)]).toEqual([[], true]);
});

test("a folder with anything besides the home stays", async () => {
  const { dir, collect } = await leftHome(() => undefined);
  await writeFile(join(dir, "session.json"), "{}");
  expect([await collect(), existsSync(dir)]).toEqual([[], true]);
});
