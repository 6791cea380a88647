/** What was tried stands in docs/security.md, word for word; what came of it is held by the tests beside this one. */
import { expect, test } from "vitest";
import { readTables, tablesOf, writeTables } from "./attack-table.ts";
import { agents } from "./attacks/agents.ts";
import type { AttackRows } from "./attacks/attack.ts";
import { browsers } from "./attacks/browsers.ts";
import { callers } from "./attacks/callers.ts";
import { otherUser } from "./attacks/other-user.ts";
import { pages } from "./attacks/pages.ts";
import { paths } from "./attacks/paths.ts";
import { requests } from "./attacks/requests.ts";
import { secrets } from "./attacks/secrets.ts";
import { sockets } from "./attacks/sockets.ts";

const groups: readonly AttackRows[] = [callers, pages, browsers, requests, sockets, agents, paths, secrets, otherUser];

test("docs/security.md has every attack, what came of it, and what would have", () => {
  const tables = tablesOf(groups);
  if (process.env["AGENTRUNTIME_WRITE_TABLE"] === "1") writeTables(tables);
  expect(readTables()).toBe(tables);
});

test("there are more than a hundred of them", () => {
  expect(groups.flatMap<unknown>(({ attacks }) => attacks).length).toBeGreaterThan(100);
});

test("no attack is counted twice", () => {
  for (const { title, attacks } of groups) {
    const names = attacks.map(({ name }) => name);
    expect([title, names.filter((name, at) => names.indexOf(name) !== at)]).toEqual([title, []]);
  }
});
