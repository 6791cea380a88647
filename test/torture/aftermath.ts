/** When the accidents are over: every session comes to its end, and nothing of it is left. */
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { eventually } from "../support/eventually.ts";
import { sessionProcesses } from "../support/processes.ts";
import { sidecarOf } from "../support/started.ts";
import type { Caller } from "./caller.ts";
import type { Insistence } from "./insistence.ts";
import type { KeptDaemon } from "./kept-daemon.ts";
import type { Tale } from "./tale.ts";

const endMs = 90_000;
/** In which all who wait for room have found that there is some again. */
const roomMs = 10_000;

interface End {
  caller: Caller;
  insistence: Insistence;
  tales: readonly Tale[];
  problems: string[];
}

/** Every session that still lives is told to end; each must, and its clients must see it. */
export async function bringToAnEnd({ caller, insistence, tales, problems }: End): Promise<void> {
  await askForUnanswered({ caller, insistence, tales, problems });
  const deadline = performance.now() + endMs;
  for (const tale of tales.filter(({ isCreated }) => isCreated)) {
    tale.isStopAsked = true;
    await caller.call({ method: "POST", path: `/sessions/${tale.id}/stop`, body: { mode: "now" } });
  }
  for (const tale of tales) {
    for (;;) {
      const view = await caller.call({ method: "GET", path: `/sessions/${tale.id}` });
      // One whose creation was never answered may exist all the same, until somebody looks.
      if (view?.status === 200 && !tale.isCreated) tale.isCreated = true;
      if (view?.status === 404 || view?.body?.status === "completed" || view?.body?.status === "failed") {
        if (view.status === 404 && tale.isCreated && !tale.isDeleteAsked)
          problems.push(`${tale.id}: it does not exist any more, and nobody deleted it`);
        if (view.status === 200) tale.end = view.body;
        if (view.status === 200 && tale.isDeleted) problems.push(`${tale.id}: it was deleted and is listed`);
        break;
      }
      if (view?.status === 200)
        await caller.call({ method: "POST", path: `/sessions/${tale.id}/stop`, body: { mode: "now" } });
      if (performance.now() > deadline) {
        problems.push(`${tale.id}: it does not end: ${JSON.stringify(view?.body)}`);
        break;
      }
      await sleep(50);
    }
  }
  const watchers = tales.flatMap((tale) => tale.watchers.map((watcher) => ({ tale, watcher })));
  for (const { tale, watcher } of watchers) {
    const isDone = await Promise.race([watcher.over.then(() => true), sleep(10_000, false, { ref: false })]);
    if (!isDone) problems.push(`${tale.id}: a client of it waits for its end for ever`);
    watcher.giveUp();
  }
}

/** Creations that nobody had answered: with the same key they are answered now, by what had come of them if anything. */
async function askForUnanswered({ caller, insistence, problems }: End): Promise<void> {
  for (const { call, made } of insistence.unanswered) {
    const until = performance.now() + roomMs;
    let answer = await caller.call(call);
    while (answer?.body?.error === "disk_full" && performance.now() < until) {
      await sleep(100);
      answer = await caller.call(call);
    }
    if (answer?.status === 201) made(answer);
    else
      problems.push(`a creation that is asked for again is answered ${answer?.status} ${JSON.stringify(answer?.body)}`);
  }
}

interface Rest {
  daemon: KeptDaemon;
  dataDir: string;
  tales: readonly Tale[];
  problems: string[];
  caller: Caller;
}

/** Nothing is left of what was: no process, no handle, no socket folder, no half-made file. */
export async function checkRest({ daemon, dataDir, tales, problems, caller }: Rest): Promise<void> {
  for (const { id } of tales) {
    const gone = await quietly(() => sessionProcesses(id).length === 0);
    if (!gone) problems.push(`${id}: its processes are alive: ${sessionProcesses(id).join(", ")}`);
  }
  const ids = new Set(tales.map(({ id }) => id));
  const strays = readdirSync(join(dataDir, "sessions")).filter((id) => !ids.has(id));
  if (strays.length > 0) problems.push(`sessions that nobody began: ${strays.join(", ")}`);
  const run = join(dataDir, "run");
  const isEmpty = await quietly(() => !existsSync(run) || readdirSync(run).length === 0);
  if (!isEmpty) problems.push(`the run folder holds ${readdirSync(run).join(", ")}`);
  const lived = await daemon.serving();
  const before = await settledHandles(lived.pid);
  const views = await caller.call({ method: "GET", path: "/sessions" });
  daemon.end("SIGKILL", { delayMs: 0 });
  const fresh = await daemon.serving();
  const again = await caller.call({ method: "GET", path: "/sessions" });
  problems.push(...differences(views?.body ?? [], again?.body ?? []));
  // Its ready sidecars are handles too, and come a moment after its start.
  const isAsMany = await quietly(() => handlesOf(fresh.pid) + 2 >= before);
  if (!isAsMany)
    problems.push(`the daemon held ${before} handles when all had ended, a fresh one ${handlesOf(fresh.pid)}`);
  const code = await daemon.stop();
  if (code !== 0) problems.push(`the daemon left with code ${code}`);
  const files = readdirSync(dataDir).filter((name) => /^daemon\.json|\.tmp$/.test(name));
  if (files.length > 0) problems.push(`left in the data dir: ${files.join(", ")}`);
}

type View = Record<string, unknown>;

/** What is listed otherwise after a restart; when something was last heard is not on disk. */
function differences(before: readonly View[], after: readonly View[]): string[] {
  if (before.length !== after.length) return [`${before.length} sessions were listed, after a restart ${after.length}`];
  return before.flatMap((view, i) => {
    const now = after[i] ?? {};
    const names = new Set([...Object.keys(view), ...Object.keys(now)]);
    names.delete("last_activity");
    return [...names]
      .filter((name) => JSON.stringify(view[name]) !== JSON.stringify(now[name]))
      .map(
        (name) =>
          `${view["session_id"]}: ${name} was ${JSON.stringify(view[name])}, after a restart ${JSON.stringify(now[name])}`,
      );
  });
}

/** Open files of a process; told by Linux only. */
function handlesOf(pid: number): number {
  return process.platform === "linux" ? readdirSync(`/proc/${pid}/fd`).length : 0;
}

/** The same, once those of the last requests are closed. */
async function settledHandles(pid: number): Promise<number> {
  let count = Number.POSITIVE_INFINITY;
  for (let i = 0; i < 20; i++) {
    const now = handlesOf(pid);
    if (now >= count) break;
    count = now;
    await sleep(100);
  }
  return count;
}

function quietly(condition: () => boolean): Promise<boolean> {
  return eventually(condition, { deadlineMs: 10_000, everyMs: 100 }).then(
    () => true,
    () => false,
  );
}

/** Found or not, nothing of a run goes on. */
export function endAll(tales: readonly Tale[], dataDir: string): void {
  const folder = join(dataDir, "sessions");
  const begun = existsSync(folder) ? readdirSync(folder) : [];
  for (const id of new Set([...tales.map(({ id }) => id), ...begun])) {
    const sidecar = sidecarOf(join(folder, id));
    for (const pid of [...(sidecar === undefined ? [] : [sidecar]), ...sessionProcesses(id)]) {
      try {
        process.kill(pid, "SIGKILL");
      } catch {
        // It ended by itself.
      }
    }
  }
}
