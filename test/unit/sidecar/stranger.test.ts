/**
 * A process that nobody can find any more may hold what an agent wrote into, and write on. Here it is one that is counted
 * apart from the session: so it is left alive on every machine, also where a control group would have held it.
 */
import { expect, onTestFinished, test } from "vitest";
import { startAgentProcess } from "../../../sidecar/agent-process.ts";
import { type ProcessIdentity, signalProcess, startTimeOf } from "../../../src/process/identity.ts";
import { killTree } from "../../../src/process/stop-ladder.ts";
import { defaultSidecarLimits } from "../../../src/protocol/bootstrap.ts";
import { eventually } from "../../support/eventually.ts";
import { isAlive } from "../../support/processes.ts";
import { tempDir } from "../../support/temp-dir.ts";

const said = 20_000;
const nowAndThen = "while :; do echo tick; sleep 0.1; done";
/** Without a pause, in lines of some length. */
const onAndOn = "while :; do yes tick $(seq 1 500); sleep 0.1; done";

/** An agent that has left a stranger behind, who writes as soon as the agent is gone; it says its numbers when it is told to. */
async function startWithStranger(writes: string, take: () => Promise<void>) {
  const dir = await tempDir();
  const marks = { sessionId: `stranger-${process.pid}-${Math.random().toString(36).slice(2)}` };
  const apart: ProcessIdentity[] = [];
  const numbers: string[] = [];
  let ticks = 0;
  const script = `(trap "" PIPE; while kill -0 $$ 2>/dev/null; do sleep 0.05; done; ${writes}) & echo stranger $!; read go; seq 1 ${said}`;
  const agent = await startAgentProcess({
    command: ["/bin/sh", "-c", script],
    env: { PATH: process.env["PATH"] ?? "" },
    workDir: dir.path,
    marks,
    sessionDir: dir.path,
    limits: defaultSidecarLimits,
    host: { apart: () => apart, redaction: undefined, contain: undefined },
    onLines: async ({ lines }) => {
      for (const line of lines) {
        if (line.startsWith("stranger ")) apart.push(identityOf(Number(line.slice(9))));
        else if (line.startsWith("tick")) ticks += 1;
        else numbers.push(line);
      }
      await take();
    },
    onStderrLines: async () => undefined,
  });
  onTestFinished(async () => {
    for (const stranger of apart.splice(0)) signalProcess(stranger, "SIGKILL");
    await killTree(marks);
    await agent.ended;
    await dir.remove();
  });
  await eventually(() => apart.length === 1, { what: "the stranger" });
  const isStrangerAlive = () => apart.every(({ pid }) => isAlive(pid));
  return { agent, numbers, isStrangerAlive, ticks: () => ticks };
}

function identityOf(pid: number): ProcessIdentity {
  return { pid, started: startTimeOf(pid) ?? "" };
}

const allNumbers = Array.from({ length: said }, (_, i) => String(i + 1));

test.each([
  ["now and then", nowAndThen, async () => undefined],
  // It is read so slowly that there is always more in the pipe: the reader is slow, the test waits for nothing.
  ["without a pause", onAndOn, () => new Promise<void>((resolve) => setTimeout(resolve, 5))],
])(
  "who holds the pipe of an agent that is gone, and writes %s, does not keep it from having ended",
  async (_, writes, take) => {
    const { agent, numbers, isStrangerAlive, ticks } = await startWithStranger(writes, take);
    agent.write("go");
    expect(await agent.ended).toEqual({ code: 0 });
    expect(isStrangerAlive()).toBe(true);
    expect(ticks()).toBeGreaterThan(0);
    expect(numbers).toEqual(allNumbers);
  },
  60_000,
);

test("what an agent wrote before it went is read to its last line, also when the pipe was held until long after", async () => {
  const held = await startWithStranger(onAndOn, async () => undefined);
  const other = await startWithStranger(nowAndThen, async () => undefined);
  held.agent.pause();
  held.agent.write("go");
  await held.agent.exited;
  other.agent.write("go");
  // It went later, and is not listened to any more.
  await other.agent.ended;
  expect(held.numbers.length).toBeLessThan(said);
  held.agent.resume();
  expect(await held.agent.ended).toEqual({ code: 0 });
  expect(held.numbers).toEqual(allNumbers);
  expect(held.isStrangerAlive()).toBe(true);
}, 60_000);
