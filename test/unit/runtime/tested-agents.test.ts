import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import * as z from "zod";
import { compareVersions, placeOf, testedAgents, versionIn } from "../../../src/runtime/tested-agents.ts";

const { devDependencies } = z
  .object({ devDependencies: z.record(z.string(), z.string()) })
  .parse(JSON.parse(readFileSync(new URL("../../../package.json", import.meta.url), "utf8")));

test.each(Object.values(testedAgents))(
  "the newest tested version of $title is the one that package.json pins",
  (agent) => {
    expect(devDependencies[agent.package]).toBe(agent.newest);
    expect(compareVersions(agent.oldest, agent.newest)).toBeLessThanOrEqual(0);
  },
);

test.each<[string, string, number]>([
  ["2.1.9", "2.1.10", -1],
  ["3.0.0", "2.9.9", 1],
  ["1.2.3", "1.2.3", 0],
  ["1.2.3-beta.1", "1.2.3", -1],
  ["1.2.3", "1.2.3-beta.1", 1],
])("%s to %s is %i", (one, other, sign) => {
  expect(Math.sign(compareVersions(one, other))).toBe(sign);
});

test("a version is older, tested, newer or not to be read", () => {
  const range = { title: "x", package: "x", oldest: "1.2.0", newest: "1.4.0" };
  const places = ["1.1.9", "1.2.0", "1.3.7", "1.4.0", "1.4.1", undefined].map((version) => placeOf(version, range));
  expect(places).toEqual(["older", "tested", "tested", "tested", "newer", "unreadable"]);
});

test.each([
  ["codex-cli 0.169.0\n", "0.169.0"],
  ["2.1.329 (Claude Code)", "2.1.329"],
  ["v1.2.3-rc.1", "1.2.3-rc.1"],
  ["no version", undefined],
])("%j says version %s", (text, version) => {
  expect(versionIn(text)).toBe(version);
});
