import { readdirSync, readFileSync, readlinkSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { eventually } from "../support/eventually.ts";
import { allProcesses, isAlive } from "../support/processes.ts";
import { type Daemon, startDaemon } from "../support/start-daemon.ts";

const agents = { echo: { harness: "generic", command: "sh", args: ["-c", "echo hello; cat"] } };
const deadlineMs = 30_000;
let daemon: Daemon | undefined;
let next: Daemon | undefined;

afterEach(async () => {
  await next?.stop();
  await daemon?.stop();
  if (next && daemon) rmSync(dirname(daemon.dataDir), { recursive: true, force: true });
  daemon = undefined;
  next = undefined;
});

async function start(readySidecars: number, options: { args?: string[] } = {}): Promise<Daemon> {
  daemon = await startDaemon({ config: { agents, limits: { ready_sidecars: readySidecars } }, ...options });
  return daemon;
}

/** Sidecars of this daemon that no session has: they wait in its data dir. */
function waiting({ dataDir }: Daemon): number[] {
  return allProcesses()
    .filter(({ commandLine, workDir }) => commandLine.includes("sidecar.js") && workDir === dataDir)
    .map(({ pid }) => pid)
    .sort((a, b) => a - b);
}

function waitingCount(of: Daemon, count: number): Promise<number[]> {
  const found = () => {
    const pids = waiting(of);
    return pids.length === count && pids;
  };
  return eventually(found, { deadlineMs, what: `${count} waiting sidecars` });
}

/** Starts a session and resolves when its agent has spoken. */
async function create(of: Daemon): Promise<string> {
  const { status, body, text } = await of.post("/sessions", { agent: "echo", interactive: true });
  expect(status, text).toBe(201);
  const client = await of.ws(body.session_id, 0);
  await client.event(({ type, data }) => type === "stdout" && JSON.stringify(data).includes("hello"), deadlineMs);
  await client.close();
  return body.session_id;
}

function folder(of: Daemon, id: string): string {
  return join(of.dataDir, "sessions", id);
}

function sidecarOf(of: Daemon, id: string): number {
  return JSON.parse(readFileSync(join(folder(of, id), "sidecar.json"), "utf8")).pid;
}

/** What a process has from its start, and what it may have changed since. */
function surroundings(pid: number) {
  const read = (name: string) => readFileSync(`/proc/${pid}/${name}`, "utf8");
  return {
    commandLine: read("cmdline"),
    environment: read("environ").split("\0").sort(),
    umask: /^Umask:\s*(\S+)$/m.exec(read("status"))?.[1],
    workDir: readlinkSync(`/proc/${pid}/cwd`),
    stderr: readlinkSync(`/proc/${pid}/fd/2`),
  };
}

describe("a sidecar that was ready", () => {
  it("is taken by the next session, and another takes its place", async () => {
    const of = await start(2);
    const before = await waitingCount(of, 2);
    const id = await create(of);
    expect(before).toContain(sidecarOf(of, id));
    const after = await waitingCount(of, 2);
    expect(after).not.toContain(sidecarOf(of, id));
  });

  it.runIf(process.platform === "linux")("differs in nothing from one that was started for its session", async () => {
    const of = await start(1);
    const [pid] = await waitingCount(of, 1);
    // Two at once, and one that is ready: the other one's is fresh.
    const ids = await Promise.all([create(of), create(of)]);
    const id = ids.find((candidate) => sidecarOf(of, candidate) === pid) ?? "";
    const other = ids.find((candidate) => candidate !== id) ?? "";
    const ready = surroundings(sidecarOf(of, id));
    expect(ready).toMatchObject({
      workDir: folder(of, id),
      stderr: join(folder(of, id), "sidecar.log"),
      umask: "0077",
    });
    const fresh = surroundings(sidecarOf(of, other));
    const place = (text: string) => text.replaceAll(other, id);
    expect({ ...fresh, workDir: place(fresh.workDir), stderr: place(fresh.stderr) }).toEqual(ready);
  });
});

describe("a ready sidecar that is killed", () => {
  it("while it waits, is replaced; a session that starts at that moment starts all the same", async () => {
    const of = await start(2);
    const before = await waitingCount(of, 2);
    for (const pid of before) process.kill(pid, "SIGKILL");
    const id = await create(of);
    expect(before).not.toContain(sidecarOf(of, id));
    await eventually(() => waiting(of).length === 2 && !waiting(of).some((pid) => before.includes(pid)), {
      deadlineMs,
      what: "two others",
    });
  });

  it("while it is told what it is for, is no fault of the session: a fresh one starts", async () => {
    const of = await start(1);
    const [pid = 0] = await waitingCount(of, 1);
    // Stopped it cannot answer, so the kill comes in the midst.
    process.kill(pid, "SIGSTOP");
    const creating = create(of);
    await eventually(() => readdirSync(join(of.dataDir, "sessions")).some((id) => named(id, pid)), { deadlineMs });
    process.kill(pid, "SIGKILL");
    const id = await creating;
    expect(sidecarOf(of, id)).not.toBe(pid);
    expect(of.output()).toContain("a ready sidecar could not be used; a fresh one is started");

    function named(session: string, expected: number): boolean {
      return sidecarOf(of, session) === expected;
    }
  });

  it("or only stopped, and never answers, is given up and ended", async () => {
    const of = await start(1);
    const [pid = 0] = await waitingCount(of, 1);
    process.kill(pid, "SIGSTOP");
    const id = await create(of);
    expect(sidecarOf(of, id)).not.toBe(pid);
    expect(isAlive(pid)).toBe(false);
  });
});

describe("sidecars that wait", () => {
  it("are gone with a daemon that is killed, and those of sessions are not", async () => {
    const of = await start(2);
    await waitingCount(of, 2);
    const id = await create(of);
    const taken = sidecarOf(of, id);
    const left = await waitingCount(of, 2);
    await of.kill9();
    await eventually(() => !left.some(isAlive), { deadlineMs, what: "their end" });
    expect(isAlive(taken)).toBe(true);
    next = await startDaemon({ dataDir: of.dataDir });
    expect((await next.get(`/sessions/${id}`)).body).toMatchObject({ state: "orphaned" });
    await next.delete(`/sessions/${id}`);
  });

  it("are gone with a daemon that is told to leave and keeps its sessions", async () => {
    const of = await start(2, { args: ["--on-shutdown", "keep"] });
    const id = await create(of);
    const left = await waitingCount(of, 2);
    expect(await of.leave()).toEqual({ code: 0 });
    expect(left.filter(isAlive)).toEqual([]);
    expect(isAlive(sidecarOf(of, id))).toBe(true);
    next = await startDaemon({ dataDir: of.dataDir });
    await next.delete(`/sessions/${id}`);
  });

  it("are not enough for a burst, which starts all the same; as many as before wait after it", async () => {
    const of = await start(2);
    await waitingCount(of, 2);
    const ids = await Promise.all(Array.from({ length: 8 }, () => create(of)));
    const pids = ids.map((id) => sidecarOf(of, id));
    expect(new Set(pids).size).toBe(8);
    const after = await waitingCount(of, 2);
    expect(pids.filter((pid) => after.includes(pid))).toEqual([]);
  });

  it("are none when none are asked for", async () => {
    const of = await start(0);
    await create(of);
    await create(of);
    expect(waiting(of)).toEqual([]);
  });
});
