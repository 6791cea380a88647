import { mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { Policies } from "../../../src/runtime/docker/policies.ts";
import type { FileForProxy } from "../../../src/runtime/docker/proxy-folders.ts";
import { tempDir } from "../../support/temp-dir.ts";

const [one, two] = ["10.1.0.3", "10.1.0.11"];
const policy = (...allow: string[]) => ({ mode: "enforce" as const, allow });
const both = (...allow: string[]) => [
  { address: one, sessionId: "one", policy: policy(...allow) },
  { address: two, sessionId: "two", policy: policy(...allow) },
];

async function begin() {
  const folder = await tempDir();
  onTestFinished(() => folder.remove());
  const delivered: FileForProxy[][] = [];
  const faults: Error[] = [];
  const policies = new Policies(join(folder.path, "egress"), async (files) => {
    const fault = faults.shift();
    if (fault) throw fault;
    delivered.push([...files]);
  });
  await policies.write(one, "one", policy("a.test"));
  await policies.write(two, "two", policy("a.test"));
  const at = (address: string) => join(policies.folder, address);
  const texts = () => Promise.all([one, two].map((address) => readFile(at(address), "utf8")));
  return { policies, delivered, faults, at, texts, names: () => readdir(policies.folder) };
}

test("what is staged holds when it is committed, for all at once, and says for whom it is something else", async () => {
  const { policies, delivered, texts, names } = await begin();
  const before = await texts();
  const staged = await policies.stage([
    { address: one, sessionId: "one", policy: policy("a.test") },
    { address: two, sessionId: "two", policy: policy("b.test") },
  ]);
  expect(await texts()).toEqual(before);
  expect(await staged.commit()).toEqual(["two"]);
  expect((await texts())[1]).toContain("allow b.test");
  expect(delivered.at(-1)?.map(({ name }) => name)).toEqual([two]);
  expect((await names()).sort()).toEqual([one, two].sort());
});

test("what is dropped leaves nothing, and what lies ready is nobody's policy", async () => {
  const { policies, names } = await begin();
  const staged = await policies.stage([{ address: "10.1.0.19", sessionId: "three", policy: policy() }]);
  expect([...(await policies.owners()).values()].sort()).toEqual(["one", "two"]);
  await staged.drop();
  expect((await names()).sort()).toEqual([one, two].sort());
});

test("where one cannot be put in its place none is", async () => {
  const { policies, delivered, at, names } = await begin();
  await rm(at(two));
  // A file does not replace a folder.
  await mkdir(at(two));
  const before = await readFile(at(one), "utf8");
  const told = delivered.length;
  await expect((await policies.stage(both("b.test"))).commit()).rejects.toThrow(/EISDIR|ENOTEMPTY|EEXIST/);
  expect(await readFile(at(one), "utf8")).toBe(before);
  // The proxy is told of what it may have seen, and has the old text again.
  expect(delivered.slice(told)).toEqual([[{ name: one, text: before }]]);
  expect((await names()).sort()).toEqual([one, two].sort());
});

test("where the proxy cannot be told none holds", async () => {
  const { policies, faults, texts } = await begin();
  const before = await texts();
  faults.push(new Error("no way to the engine"));
  await expect((await policies.stage(both("b.test"))).commit()).rejects.toThrow("no way to the engine");
  expect(await texts()).toEqual(before);
});

test("writers at once are heard one after the other, and each text is whole", async () => {
  const { policies, texts, names } = await begin();
  await Promise.all(Array.from({ length: 50 }, (_, i) => policies.write(one, "one", policy(`n${i}.test`))));
  expect((await texts())[0]).toMatch(/^session one\nmode enforce\nallow n\d+\.test\n$/);
  expect((await names()).sort()).toEqual([one, two].sort());
});

test("a file that is no address's is nobody's policy", async () => {
  const { policies, at } = await begin();
  await writeFile(at("10.1.0.3.new7"), "session stranger\n");
  expect([...(await policies.owners()).values()]).not.toContain("stranger");
});

test("what the proxy could not be told for certain is told with the next change, also one to what it was before", async () => {
  const { policies, faults, delivered, texts } = await begin();
  const before = await texts();
  faults.push(new Error("the answer is late"), new Error("no way to the engine"));
  await expect((await policies.stage(both("b.test"))).commit()).rejects.toThrow(
    /the answer is late.*the proxy may have new lists \(no way to the engine\)/,
  );
  expect(await texts()).toEqual(before);
  const told = delivered.length;
  // The same as the files say: nobody's list is another one, and the proxy hears it all the same.
  expect(await (await policies.stage(both("a.test"))).commit()).toEqual([]);
  expect(delivered.slice(told).map((files) => files.map(({ text }) => text))).toEqual([before]);
  await policies.settle();
  expect(delivered).toHaveLength(told + 1);
});

test("what the proxy could not be told for certain is told by the next look", async () => {
  const { policies, faults, delivered, texts } = await begin();
  const before = await texts();
  faults.push(new Error("late"), new Error("away"), new Error("away still"));
  await expect((await policies.stage(both("b.test"))).commit()).rejects.toThrow("late");
  await expect(policies.settle()).rejects.toThrow("away still");
  const told = delivered.length;
  await policies.settle();
  expect(delivered.slice(told).map((files) => files.map(({ text }) => text))).toEqual([before]);
});

test("one that cannot be put back keeps none behind it, is named, and is put back when it can be", async () => {
  const { policies, faults, at, texts, names } = await begin();
  const before = await texts();
  faults.push(new Error("no way to the engine"));
  // What is put back is written beside its place first: there it meets a folder.
  await mkdir(`${at(one)}.new`);
  await expect((await policies.stage(both("b.test"))).commit()).rejects.toThrow(
    new RegExp(`no way to the engine.*"${at(one)}" has the new list \\(EISDIR`),
  );
  expect((await texts())[0]).toContain("allow b.test");
  expect((await texts())[1]).toBe(before[1]);
  await rm(`${at(one)}.new`, { recursive: true });
  await policies.settle();
  expect(await texts()).toEqual(before);
  expect((await names()).sort()).toEqual([one, two].sort());
});
