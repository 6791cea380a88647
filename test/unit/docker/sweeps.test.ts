/** What belongs to no session, on an engine that does not remove all of it. */
import { expect, test } from "vitest";
import { messageOf } from "../../../src/protocol/error.ts";
import type { ContainerEngine } from "../../support/container-engine.ts";
import { startDockerRuntime } from "../../support/docker-runtime.ts";

const all = { isDryRun: false, withStrangers: false };

/** Of the daemon that made this one's things, whatever it is called. */
function leave(engine: ContainerEngine, session: string): void {
  const [made] = [...engine.containers.values()].filter((one) => one.Labels["agentruntime.role"] === "agent");
  const Labels = { ...made?.Labels, "agentruntime.session_id": session };
  engine.containers.set(session, { Id: session, name: `left-${session}`, Labels, isRunning: true });
}

const container = (session: string, more: object = {}) => ({
  kind: "container",
  name: `left-${session}`,
  sessionId: session,
  ...more,
});

const names = (engine: ContainerEngine) => [...engine.containers.values()].map(({ name }) => name);

test("leftovers that cannot be removed keep none behind them, are told, and go when they can be", async () => {
  const { engine, runtime, launch } = await startDockerRuntime({ readyContainers: 0 });
  await launch("lives");
  for (const session of ["one", "two", "three"]) leave(engine, session);
  engine.refuses = (act) => act === "DELETE containers left-one";
  const swept = await runtime.sweepOthers(new Set(["lives"]), all);
  expect(swept).toEqual({
    leftovers: [container("one", { hasFailed: true }), container("two"), container("three")],
    faults: [{ sessionId: "one", error: expect.objectContaining({ code: "internal" }) }],
  });
  expect(messageOf(swept.faults[0]?.error)).toMatch(/^Cannot remove the container "left-one": .*"agentd gc"$/);
  expect(names(engine)).toContain("left-one");
  for (const name of ["left-two", "left-three"]) expect(names(engine)).not.toContain(name);
  engine.refuses = () => false;
  expect(await runtime.sweepOthers(new Set(["lives"]), all)).toEqual({ leftovers: [container("one")], faults: [] });
  expect(names(engine)).not.toContain("left-one");
});

test("what an engine removed before it went away is told, and of the rest that it may be there", async () => {
  const { engine, runtime, launch } = await startDockerRuntime({ readyContainers: 0 });
  await launch("lives");
  for (const session of ["one", "two", "three"]) leave(engine, session);
  engine.refuses = (act) => {
    if (act !== "DELETE containers left-two") return false;
    void engine.stop();
    return true;
  };
  const { leftovers, faults } = await runtime.sweepOthers(new Set(["lives"]), all);
  expect(leftovers).toEqual([
    container("one"),
    container("two", { hasFailed: true }),
    container("three", { hasFailed: true }),
  ]);
  expect(faults.length).toBeGreaterThan(0);
  for (const { error } of faults) expect(error).toMatchObject({ code: "runtime_unavailable" });
});

test("networks of nobody that cannot be removed keep none behind them", async () => {
  const { engine, runtime, launch } = await startDockerRuntime({ readyContainers: 0 });
  await launch("lives");
  const [own] = [...engine.networks.values()].filter(({ Labels }) => Labels["agentruntime.role"] === "session-network");
  for (const [name, subnet] of [
    ["first", "10.99.0.0/29"],
    ["second", "10.99.0.8/29"],
  ] as const) {
    const Labels = { ...own?.Labels, "agentruntime.subnet": subnet };
    engine.networks.set(name, { Name: name, Labels, IPAM: { Config: [] }, Containers: {} });
  }
  engine.refuses = (act) => act === "DELETE networks first";
  const { leftovers, faults } = await runtime.sweepOthers(new Set(["lives"]), all);
  expect(leftovers).toEqual([
    { kind: "network", name: "first", sessionId: undefined, hasFailed: true },
    { kind: "network", name: "second", sessionId: undefined },
  ]);
  expect(faults.map(({ error }) => messageOf(error))).toEqual([expect.stringContaining('the network "first"')]);
  expect([engine.networks.has("first"), engine.networks.has("second")]).toEqual([true, false]);
});
