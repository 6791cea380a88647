/** The changelog's newest version, held to the code: what an upgrade stands or falls with cannot change without a word there. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import manifest from "../../package.json" with { type: "json" };
import { linkProtocol } from "../../src/protocol/link-frame.ts";
import { compareVersions, testedAgents } from "../../src/runtime/tested-agents.ts";
import { storeSteps } from "../../src/store/migrations.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));
const text = readFileSync(join(root, "CHANGELOG.md"), "utf8");
const [newest = "", ...older] = text.split(/^## /m).slice(1);

test("its topmost version is that of package.json; each has a date, or is not released, and an older one below", () => {
  const headings = [newest, ...older].map((section) => section.split("\n", 1)[0] ?? "");
  for (const heading of headings) expect(heading).toMatch(/^\d+\.\d+\.\d+ \((unreleased|\d{4}-\d\d-\d\d)\)$/);
  const versions = headings.map((heading) => heading.split(" ", 1)[0] ?? "");
  expect(versions[0]).toBe(manifest.version);
  expect(versions).toEqual([...versions].sort((one, other) => compareVersions(other, one)));
  expect(headings.slice(1).filter((heading) => heading.includes("unreleased"))).toEqual([]);
});

test("the topmost version's table says what this code holds together with", () => {
  const rows = [...newest.matchAll(/^\| (\S.*?) \| (\S.*?) \|$/gm)].map(([, name, value]) => [name, value]);
  expect(Object.fromEntries(rows)).toEqual({
    Node: manifest.engines.node,
    "link between daemon and sidecar": String(linkProtocol),
    store: [...storeSteps].sort().at(-1),
    ...Object.fromEntries(Object.values(testedAgents).map((agent) => [agent.title, agent.newest])),
  });
});
