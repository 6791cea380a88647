import { expect, test } from "vitest";
import { ConfigFile } from "../../../src/config.ts";
import { resourcesOf, unheldLimits } from "../../../src/supervisor/resources.ts";

const all = { memory: true, cpus: true, pids: true } as const;
const none = { memory: "no group", cpus: "no group", pids: "no group" } as const;
const open = ConfigFile.parse({});
const bounded = ConfigFile.parse({ limits: { session_memory: "1g", session_pids: 100 } });

test("without wishes and without limits there are none", () => expect(resourcesOf({}, open, all)).toBeUndefined());

test("the operator's limits hold for who asks for nothing", () =>
  expect(resourcesOf({}, bounded, all)).toEqual({ memory_bytes: 1024 ** 3, pids: 100 }));

test("who asks for less gets less", () =>
  expect(resourcesOf({ resources: { memory: 2 ** 28, cpus: 0.5 } }, bounded, all)).toEqual({
    memory_bytes: 2 ** 28,
    cpus: 0.5,
    pids: 100,
  }));

test("who asks for more is refused", () =>
  expect(() => resourcesOf({ resources: { pids: 101 } }, bounded, all)).toThrow("at most 100 is permitted"));

test("a limit that was asked for and cannot be held is refused", () =>
  expect(() => resourcesOf({ resources: { cpus: 1 } }, open, none)).toThrow(
    'Cannot hold resources.cpus with the runtime "local": no group',
  ));

test("one of the operator's that cannot be held is left out of the session, and told", () => {
  expect(resourcesOf({}, bounded, none)).toBeUndefined();
  expect(unheldLimits(bounded, none)).toEqual([
    "Cannot hold limits.session_memory: no group. Sessions run without that limit",
    "Cannot hold limits.session_pids: no group. Sessions run without that limit",
  ]);
  expect(unheldLimits(bounded, all)).toEqual([]);
});
