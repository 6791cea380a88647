/** What belongs to no session, on an engine that does not remove all of it. */
import { expect, test } from "vitest";
import type { ContainerEngine } from "../../support/container-engine.ts";
import { startDockerRuntime } from "../../support/docker-runtime.ts";

const all = { isDryRun: false, withStrangers: false };

/** Of the daemon that made this one's things, whatever it is called. */
function leave(engine: ContainerEngine, session: string): void {
  const [made] = [...engine.containers.values()].filter((one) => one.Labels["agentruntime.role"] === "agent");
  const Labels = { ...made?.Labels, "agentruntime.session_id": session };
  engine.containers.set(session, { Id: session, name: `left-${session}`, Labels, isRunning: true });
}

const names = (engine: ContainerEngine) => [...engine.containers.values()].map(({ name }) => name);

test("leftovers that cannot be removed keep none behind them, are told, and go when they can be", async () => {
  const { engine, runtime, launch } = await startDockerRuntime({ readyContainers: 0 });
  await launch("lives");
  for (const session of ["one", "two", "three"]) leave(engine, session);
  engine.refuses = (act) => act === "DELETE containers left-one";
  await expect(runtime.sweepOthers(new Set(["lives"]), all)).rejects.toMatchObject({
    code: "internal",
    message: expect.stringMatching(/^Cannot remove the container "left-one": .*\. All else/),
  });
  expect(names(engine)).toContain("left-one");
  for (const name of ["left-two", "left-three"]) expect(names(engine)).not.toContain(name);
  engine.refuses = () => false;
  await runtime.sweepOthers(new Set(["lives"]), all);
  expect(names(engine)).not.toContain("left-one");
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
  await expect(runtime.sweepOthers(new Set(["lives"]), all)).rejects.toThrow(/the network "first"/);
  expect([engine.networks.has("first"), engine.networks.has("second")]).toEqual([true, false]);
});
