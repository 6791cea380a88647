import { type ChildProcess, spawn } from "node:child_process";
import { afterEach, describe, expect, it } from "vitest";
import { ensureCgroup, findCgroup } from "../../../src/process/cgroup.ts";
import { isSameProcess, signalProcess, startTimeOf } from "../../../src/process/identity.ts";
import { marked } from "../../../src/process/session-marks.ts";
import { killTree, stopTree } from "../../../src/process/stop-ladder.ts";
import { findSessionProcesses } from "../../../src/process/tree.ts";
import { eventually } from "../../support/eventually.ts";

const started: ChildProcess[] = [];

afterEach(() => {
  for (const child of started.splice(0)) child.kill("SIGKILL");
});

function run(script: string, sessionId?: string, dataDirMark?: string): ChildProcess {
  const env = { PATH: process.env["PATH"] ?? "" };
  const child = spawn("sh", ["-c", script], {
    detached: true,
    stdio: "ignore",
    env: sessionId === undefined ? env : marked(env, { sessionId, dataDirMark }),
  });
  started.push(child);
  return child;
}

const newId = () => `tree-${process.pid}-${Math.random().toString(36).slice(2)}`;
const count = (sessionId: string) => findSessionProcesses({ sessionId }).length;

describe("identity", () => {
  it("knows a process by pid and start time", () => {
    const startTime = startTimeOf(process.pid);
    expect(startTime).toMatch(/\d/);
    expect(isSameProcess(process.pid, startTime ?? "")).toBe(true);
    expect(isSameProcess(process.pid, "another time")).toBe(false);
    expect(signalProcess({ pid: process.pid, started: "another time" }, "SIGKILL")).toBe(false);
  });

  it("does not know a process that has ended", async () => {
    const child = run("exit 0");
    await new Promise((resolve) => child.once("exit", resolve));
    expect(startTimeOf(child.pid ?? 0)).toBeUndefined();
  });
});

describe.runIf(process.platform === "linux")("the tree of a session", () => {
  it("holds what carries the marker, and descendants that dropped it", async () => {
    const sessionId = newId();
    run("setsid sleep 600 & env -i sleep 600 & wait", sessionId);
    run("exec sleep 600", `${sessionId}-other`);
    await eventually(() => count(sessionId) === 3);
    expect(await killTree({ sessionId })).toEqual({ needed: "kill", left: [] });
    expect(count(sessionId)).toBe(0);
    expect(count(`${sessionId}-other`)).toBe(1);
  });

  it("is its data dir's own, but for those that name none", async () => {
    const sessionId = newId();
    run("exec sleep 600", sessionId, "one");
    run("exec sleep 600", sessionId, "other");
    run("exec sleep 600", sessionId);
    const seenBy = (dataDirMark?: string) => findSessionProcesses({ sessionId, dataDirMark }).length;
    await eventually(() => seenBy("one") === 2);
    expect([seenBy("other"), seenBy("third"), seenBy()]).toEqual([2, 1, 1]);
    expect(await killTree({ sessionId, dataDirMark: "one" })).toEqual({ needed: "kill", left: [] });
    expect([seenBy("one"), seenBy("other")]).toEqual([0, 1]);
  });

  it("needs no more than asking when that is enough", async () => {
    const sessionId = newId();
    const child = run("sleep 600 & wait", sessionId);
    await eventually(() => count(sessionId) === 2);
    const ask = { act: () => process.kill(-(child.pid ?? 0), "SIGKILL"), waitMs: 5_000 };
    expect(await stopTree({ sessionId, asks: [ask] })).toEqual({ needed: "ask", left: [] });
    expect(await stopTree({ sessionId, asks: [ask] })).toEqual({ needed: "nothing", left: [] });
  });

  it.each([
    ["sleep 600 & wait", "term"],
    ["trap '' TERM; while :; do sleep 0.05; done", "kill"],
  ])("climbs for %j as far as %s", async (script, needed) => {
    const sessionId = newId();
    run(script, sessionId);
    await eventually(() => count(sessionId) === 2);
    expect(await stopTree({ sessionId, asks: [], termWaitMs: 300 })).toEqual({ needed, left: [] });
  });

  it("leaves nothing of a tree that keeps forking", async () => {
    const sessionId = newId();
    run("trap '' TERM; while :; do (trap '' TERM; sleep 1; sleep 600) & sleep 0.005; done", sessionId);
    await eventually(() => count(sessionId) > 20);
    expect(await killTree({ sessionId })).toEqual({ needed: "kill", left: [] });
  });
});

describe("cgroups", () => {
  it("holds a process without marker and parent, where there is a group to be had", async () => {
    const sessionId = newId();
    const cgroup = ensureCgroup({ sessionId });
    if (!cgroup) {
      console.warn("SKIPPED: no writable cgroup v2 hierarchy here");
      return;
    }
    const child = run("sleep 0.1; env -i setsid sleep 600 &");
    expect(cgroup.add(child.pid ?? 0)).toBe(true);
    await new Promise((resolve) => child.once("exit", resolve));
    await eventually(() => findSessionProcesses({ sessionId, cgroup }).length === 1);
    expect(await killTree({ sessionId })).toEqual({ needed: "kill", left: [] });
    await eventually(() => findCgroup({ sessionId }) === undefined);
  });
});
