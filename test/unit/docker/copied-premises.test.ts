import { createHash } from "node:crypto";
import { mkdir, readdir, readFile, rm, symlink, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { Authorities } from "../../../src/runtime/docker/authorities.ts";
import { copiedPremises } from "../../../src/runtime/docker/copied-premises.ts";
import { label, Names } from "../../../src/runtime/docker/names.ts";
import type { Guest } from "../../../src/runtime/docker/premises.ts";
import { findStrangers } from "../../../src/runtime/docker/strangers.ts";
import { namesOn } from "../../../src/runtime/docker/whose.ts";
import { tempDir } from "../../support/temp-dir.ts";
import { startVolumeEngine } from "../../support/volume-engine.ts";

const origin = { dataDir: "/nowhere/data", mark: "mine", machine: "here" };

/** A daemon with an engine of its own. */
async function begin(sharedWorkDir?: string) {
  const folder = await tempDir();
  await mkdir(folder.path, { recursive: true });
  const engine = await startVolumeEngine(folder.path);
  onTestFinished(async () => {
    await engine.stop();
    await folder.remove();
  });
  const said: string[] = [];
  const names = new Names({ ...origin, ...(sharedWorkDir === undefined ? {} : { mark: "another" }) });
  const user = { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 };
  const sessionDirOf = (id: string) => join(folder.path, "sessions", id);
  const premises = copiedPremises({
    engine: engine.docker,
    names,
    authorities: new Authorities({
      engine: engine.docker,
      folder: join(folder.path, "authorities"),
      file: undefined,
      extra: "",
    }),
    user,
    bytesMax: 1_000_000,
    image: "any",
    sidecarDirOf: (dir) => join(dir, "box"),
    sessionDirOf,
    log: (_, message) => said.push(message),
  });
  const workDir = sharedWorkDir ?? join(folder.path, "project");
  await mkdir(workDir, { recursive: true });
  const furnish = async (sessionId: string, homeOf = sessionId, work = workDir) => {
    const sessionDir = sessionDirOf(sessionId);
    const privateHome = join(sessionDirOf(homeOf), "home");
    for (const dir of ["home", "box"]) await mkdir(join(sessionDir, dir), { recursive: true });
    const spec = { sessionId, sessionDir, workDir: work, privateHome } as Guest["spec"];
    const bootstrap = { session_id: sessionId } as Guest["bootstrap"];
    return premises.furnish({ spec, bootstrap, owner: user, image: "any" });
  };
  /** In the session's volume, as its container has it. */
  const over = (id: string, place: string, name = "") => join(engine.folderOf(names.ofVolume(id, place)), name);
  const sweep = async (id: string) => {
    await premises.retrieve(id);
    await premises.clear(id);
  };
  return { engine, names, said, premises, workDir, furnish, over, sweep, sessionDirOf };
}

test("of volumes of which one is gone the others come back, and what is lost is told", async () => {
  const { engine, names, said, furnish, over, sweep, workDir } = await begin();
  await furnish("s");
  await writeFile(over("s", "work", "made"), "made");
  engine.volumes.delete(names.ofVolume("s", "home"));
  await sweep("s");
  expect(await readdir(workDir)).toEqual(["made"]);
  expect(said).toEqual([expect.stringContaining("its volumes (home) are gone from the engine")]);
  expect([...engine.volumes]).toEqual([]);
});

test("when all are gone that is told, once", async () => {
  const { engine, said, furnish, sweep } = await begin();
  await furnish("s");
  engine.volumes.clear();
  await sweep("s");
  await sweep("s");
  expect(said).toEqual([expect.stringContaining("its volumes (work, home, box) are gone from the engine")]);
});

test("what is too large to come back stays, all else comes; until the home is back no other session has it", async () => {
  const { engine, names, furnish, over, sweep, premises, workDir, sessionDirOf } = await begin();
  await furnish("s");
  await writeFile(over("s", "home", "huge"), "");
  await truncate(over("s", "home", "huge"), 10_000_000);
  await writeFile(over("s", "work", "made"), "made");
  await expect(sweep("s")).rejects.toThrow(/home: Cannot copy .*huge.*"agentd gc" tries again/);
  expect(await readdir(workDir)).toEqual(["made"]);
  await expect(furnish("next", "s")).rejects.toThrow(/what session "s" did is still in its volumes/);
  await premises.clear("s");
  expect([...engine.volumes.keys()]).toEqual([names.ofVolume("s", "home")]);

  await truncate(over("s", "home", "huge"), 10);
  await sweep("s");
  expect((await readFile(join(sessionDirOf("s"), "home", "huge"))).length).toBe(10);
  expect([...engine.volumes.keys()]).toEqual([]);
  await furnish("next", "s");
});

test("volumes of a session whose folder is not here stay", async () => {
  const { engine, said, furnish, over, sweep, sessionDirOf } = await begin();
  await furnish("s");
  await writeFile(over("s", "work", "made"), "made");
  await rm(sessionDirOf("s"), { recursive: true });
  await sweep("s");
  expect(engine.volumes.size).toBe(3);
  expect(said).toEqual([expect.stringContaining("docker volume rm")]);
});

test("sessions of one work dir whose ids begin alike come back at once, and none has the other's files", async () => {
  const { furnish, over, sweep, workDir } = await begin();
  const ids = ["12345678-a", "12345678-b"];
  for (const id of ids) {
    await furnish(id);
    await writeFile(over(id, "work", `of-${id}`), id);
    await writeFile(over(id, "work", "both"), id);
  }
  await writeFile(join(workDir, "both"), "here");
  await Promise.all(ids.map(sweep));
  const texts = await Promise.all((await readdir(workDir)).sort().map((name) => readFile(join(workDir, name), "utf8")));
  expect((await readdir(workDir)).sort()).toEqual([
    "both",
    "both.from-12345678-a",
    "both.from-12345678-b",
    "of-12345678-a",
    "of-12345678-b",
  ]);
  expect(texts).toEqual(["here", ...ids, ...ids]);
});

test("one work dir by two paths, and one inside another, come back one after the other", async () => {
  const { furnish, over, sweep, workDir } = await begin();
  await mkdir(join(workDir, "inner"));
  await symlink(workDir, `${workDir}-too`);
  await furnish("a");
  await furnish("b", "b", `${workDir}-too`);
  await furnish("c", "c", join(workDir, "inner"));
  for (const [id, at] of Object.entries({ a: "inner/both", b: "inner/both", c: "both" })) {
    await writeFile(over(id, "work", at), id);
    for (let index = 0; index < 50; index++) await writeFile(over(id, "work", `${id}-${index}`), id);
  }
  await Promise.all(["a", "b", "c"].map(sweep));
  const names = (await readdir(join(workDir, "inner"))).filter((name) => name.startsWith("both"));
  const texts = await Promise.all(names.map((name) => readFile(join(workDir, "inner", name), "utf8")));
  expect(texts.sort()).toEqual(["a", "b", "c"]);
  expect((await readdir(workDir)).filter((name) => name.startsWith("."))).toEqual([]);
});

test("two daemons bring back into one work dir one after the other, and what both made is there twice", async () => {
  const one = await begin();
  const other = await begin(one.workDir);
  const made = Array.from({ length: 50 }, (_, index) => `file-${index}`);
  for (const [id, daemon] of Object.entries({ one, other })) {
    await daemon.furnish(id);
    for (const name of made) await writeFile(daemon.over(id, "work", name), id);
  }
  await Promise.all([one.sweep("one"), other.sweep("other")]);
  const found = await readdir(one.workDir);
  expect(found.filter((name) => !name.includes(".from-")).sort()).toEqual([...made].sort());
  const texts = await Promise.all(
    made.map(async (name) =>
      Promise.all(
        found
          .filter((one) => one === name || one.startsWith(`${name}.from-`))
          .map((one) => readFile(join(other.workDir, one), "utf8")),
      ),
    ),
  );
  for (const both of texts) expect(both.sort()).toEqual(["one", "other"]);
});

test("a mark that a session made itself, to hold up others, does not come back", async () => {
  const { furnish, over, sweep, workDir } = await begin();
  await furnish("s");
  await mkdir(over("s", "work", "made/.agentd-changing-0123456789ab"), { recursive: true });
  await mkdir(over("s", "work", ".agentd-changing-0123456789ab"));
  await writeFile(over("s", "work", "made/too"), "made");
  await sweep("s");
  expect([await readdir(workDir), await readdir(join(workDir, "made"))]).toEqual([["made"], ["too"]]);
});

test("a session that starts while another one's work comes back has all of it, and nothing of the way", async () => {
  const { furnish, over, premises, engine, names } = await begin();
  await furnish("a");
  for (let index = 0; index < 200; index++) await writeFile(over("a", "work", `file-${index}`), "a");
  await Promise.all([premises.retrieve("a"), furnish("b")]);
  const found = await readdir(engine.folderOf(names.ofVolume("b", "work")));
  expect([0, 200]).toContain(found.length);
});

test("data dirs of one path on two machines are two daemons; here what an earlier version began is taken over", async () => {
  const { engine } = await begin();
  const other = { ...origin, mark: "another", machine: "elsewhere" };
  expect(new Names(other).daemon).not.toBe(new Names(origin).daemon);
  expect((await namesOn(engine.docker, origin, { isAway: false })).daemon).toBe(new Names(origin).daemon);
  const byPath = createHash("sha256").update(origin.dataDir).digest("hex").slice(0, 12);
  engine.containers.push({ Id: "1", Labels: { [label.daemon]: byPath, [label.mark]: "another" } });
  expect((await namesOn(engine.docker, origin, { isAway: false })).daemon).toBe(new Names(origin).daemon);
  engine.containers.push({ Id: "2", Labels: { [label.daemon]: byPath } });
  expect((await namesOn(engine.docker, origin, { isAway: false })).daemon).toBe(byPath);
  expect((await namesOn(engine.docker, origin, { isAway: true })).daemon).toBe(new Names(origin).daemon);
});

test("of what daemons left only what is this machine's is theirs no more, and no session's volume", async () => {
  const { engine, names } = await begin();
  const made = (machine: string, role: "proxy-volume" | "session-volume") =>
    new Names({ dataDir: "/nowhere/else", mark: "another", machine }).labels(role);
  engine.volumes.set("a", { Name: "a", Labels: made("here", "proxy-volume") });
  engine.volumes.set("b", { Name: "b", Labels: made("elsewhere", "proxy-volume") });
  engine.volumes.set("c", { Name: "c", Labels: made("here", "session-volume") });
  expect((await findStrangers(engine.docker, names)).map(({ name }) => name)).toEqual(["a"]);
});
