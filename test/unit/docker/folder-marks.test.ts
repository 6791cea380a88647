/** Folders' turns between daemons: each has turns of its own, and sees of the others only what is in the folder. */
import { mkdir, readdir, utimes } from "node:fs/promises";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { FolderTurns } from "../../../src/runtime/docker/folder-turns.ts";
import { eventually } from "../../support/eventually.ts";
import { tempDir } from "../../support/temp-dir.ts";

async function begin() {
  const folder = await tempDir();
  onTestFinished(() => folder.remove());
  await mkdir(join(folder.path, "project", "inner"), { recursive: true });
  return {
    project: join(folder.path, "project"),
    one: new FolderTurns(names.one),
    other: new FolderTurns(names.other),
  };
}

/** What has begun, in order; each goes on until it is let go. */
function work() {
  const begun: string[] = [];
  const ends = new Map<string, () => void>();
  const act = (name: string) => () => {
    begun.push(name);
    return new Promise<void>((resolve) => ends.set(name, resolve));
  };
  return { begun, act, end: (name: string) => ends.get(name)?.() };
}

const names = { one: "0123456789ab", other: "ba9876543210", third: "5555aaaa5555" };

const marksOf = (daemon: string) => [
  `.agentd-changing-${daemon}`,
  `.agentd-reading-${daemon}-8f14e45f-ceea-467f-a0e6-9f2ae6a9d4b7`,
];

const hasMark = async (folder: string, name: string) => (await readdir(folder)).some((one) => one.startsWith(name));

test("two daemons change a folder one after the other, and leave nothing in it", async () => {
  const { project, one, other } = await begin();
  const { begun, act, end } = work();
  const first = one.change(project, act("one"));
  await eventually(() => begun.length === 1);
  const second = other.change(project, act("other"));
  // Whoever did not wait would be there before this.
  for (let looked = 0; looked < 50; looked++) await readdir(project);
  expect(begun).toEqual(["one"]);
  end("one");
  await first;
  await eventually(() => begun.length === 2);
  const third = one.read(project, act("reader"));
  for (let looked = 0; looked < 50; looked++) await readdir(project);
  expect(begun).toEqual(["one", "other"]);
  end("other");
  await second;
  await eventually(() => begun.length === 3);
  end("reader");
  await third;
  expect(begun).toEqual(["one", "other", "reader"]);
  expect(await readdir(project)).toEqual(["inner"]);
});

test("they read it at the same time, and who changes it waits for both", async () => {
  const { project, one, other } = await begin();
  const { begun, act, end } = work();
  const readers = [one.read(project, act("one")), other.read(project, act("other"))];
  await eventually(() => begun.length === 2);
  const change = new FolderTurns(names.third).change(project, act("change"));
  await eventually(() => hasMark(project, ".agentd-changing"), { what: "the mark of who waits" });
  end("one");
  await readers[0];
  expect(begun.length).toBe(2);
  end("other");
  await readers[1];
  await eventually(() => begun.length === 3);
  end("change");
  await change;
  expect(await readdir(project)).toEqual(["inner"]);
});

test("a folder waits for the way back into one around it", async () => {
  const { project, one, other } = await begin();
  const { begun, act, end } = work();
  const outer = one.change(project, act("outer"));
  await eventually(() => begun.length === 1);
  const inner = other.change(join(project, "inner"), act("inner"));
  await eventually(() => hasMark(join(project, "inner"), ".agentd-changing"), { what: "the mark of who waits" });
  expect(begun).toEqual(["outer"]);
  end("outer");
  await outer;
  await eventually(() => begun.length === 2);
  end("inner");
  await inner;
});

test("marks of daemons that died are nobody's", async () => {
  const { project, one } = await begin();
  const old = new Date(Date.now() - 60_000);
  for (const name of marksOf(names.other)) {
    await mkdir(join(project, name));
    await utimes(join(project, name), old, old);
  }
  await one.read(project, async () => undefined);
  await one.change(project, async () => undefined);
  expect(await readdir(project)).toEqual(["inner"]);
});

test("a daemon that died and is started again does not wait for itself", async () => {
  const { project, one } = await begin();
  for (const name of marksOf(names.one)) await mkdir(join(project, name));
  await one.read(project, async () => undefined);
  await one.change(project, async () => undefined);
  expect(await readdir(project)).toEqual(["inner"]);
});

test("many turns of many daemons at once come one after the other, and all come", async () => {
  const { project } = await begin();
  const daemons = Object.values(names).map((name) => new FolderTurns(name));
  let [inside, most] = [0, 0];
  const act = async () => {
    inside += 1;
    most = Math.max(most, inside);
    for (let looked = 0; looked < 10; looked++) await readdir(project);
    inside -= 1;
  };
  await Promise.all(daemons.flatMap((daemon) => [1, 2].map(() => daemon.change(project, act))));
  expect([inside, most]).toEqual([0, 1]);
  expect(await readdir(project)).toEqual(["inner"]);
});

test("one that fails leaves the turn to the next", async () => {
  const { project, one, other } = await begin();
  await expect(one.change(project, () => Promise.reject(new Error("no room")))).rejects.toThrow("no room");
  await expect(other.read(project, () => Promise.reject(new Error("gone")))).rejects.toThrow("gone");
  expect(await other.change(project, async () => "done")).toBe("done");
  expect(await readdir(project)).toEqual(["inner"]);
});
