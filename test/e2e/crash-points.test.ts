import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { type CountsDaemon, startCountsDaemon } from "../support/counts-daemon.ts";
import { eventually } from "../support/eventually.ts";
import { sessionProcesses } from "../support/processes.ts";

let counts: CountsDaemon;
afterEach(() => counts.stop());

describe("a daemon that dies between the last line and the record of the end", () => {
  it("leaves a next one to finish it: one exit, the same end, nothing left over", async () => {
    counts = await startCountsDaemon();
    const id = await counts.create({ prompt: "words=3", interactive: false });
    const before = await counts.until(id);
    const ended = async () => (await counts.daemon.get(`/sessions/${id}`)).body;
    await eventually(() => existsSync(join(counts.dirOf(id), "sidecar.json")) === false);
    const view = await ended();
    expect(view).toMatchObject({ status: "completed", end_reason: "finished" });
    await counts.daemon.kill9();
    // As it was on disk a moment earlier.
    const recordPath = join(counts.dirOf(id), "session.json");
    const { ended: _, ...record } = JSON.parse(readFileSync(recordPath, "utf8"));
    writeFileSync(recordPath, JSON.stringify(record));
    // The store is written behind the record.
    for (const end of ["", "-wal", "-shm"]) rmSync(join(counts.daemon.dataDir, `state.db${end}`), { force: true });
    writeFileSync(join(counts.dirOf(id), "spool-1.ndjson"), "");
    mkdirSync(join(counts.daemon.dataDir, "run", "a-session-of-old", "t"), { recursive: true });
    await counts.restart();
    expect(counts.events(id)).toEqual(before);
    expect(await ended()).toMatchObject({
      status: "completed",
      end_reason: "finished",
      ended_at: new Date(before.at(-1)?.timestamp ?? 0).toISOString(),
    });
    await eventually(() => JSON.parse(readFileSync(recordPath, "utf8")).ended !== undefined);
    expect(readdirSync(counts.dirOf(id)).filter((name) => name.startsWith("spool"))).toEqual([]);
    expect(readdirSync(join(counts.daemon.dataDir, "run"))).toEqual([]);
  });

  it("keeps the reason: what was lost stays lost", async () => {
    counts = await startCountsDaemon();
    const id = await counts.create({ prompt: "words=500 pause=20" });
    await counts.until(id, (events) => events.some(({ type }) => type === "agent_message"));
    process.kill(counts.sidecarPid(id), "SIGKILL");
    await counts.until(id);
    await counts.daemon.kill9();
    const recordPath = join(counts.dirOf(id), "session.json");
    const { ended: _, ...record } = JSON.parse(readFileSync(recordPath, "utf8"));
    writeFileSync(recordPath, JSON.stringify(record));
    // The store is written behind the record.
    for (const end of ["", "-wal", "-shm"]) rmSync(join(counts.daemon.dataDir, `state.db${end}`), { force: true });
    await counts.restart();
    expect((await counts.daemon.get(`/sessions/${id}`)).body).toMatchObject({ end_reason: "sidecar_lost" });
    expect(counts.faultsOf(id)).toEqual([]);
  });
});

describe("a daemon that dies in the midst of a creation", () => {
  it("leaves nothing in the way of the same request to the next one", async () => {
    counts = await startCountsDaemon();
    await counts.daemon.kill9();
    const id = "11111111-2222-4333-8444-555555555555";
    mkdirSync(join(counts.dirOf(id), "work"), { recursive: true });
    writeFileSync(join(counts.dirOf(id), "events.ndjson"), "");
    const foreign = counts.dirOf("somebody-elses");
    mkdirSync(foreign);
    writeFileSync(join(foreign, "notes"), "");
    await counts.restart();
    expect(existsSync(counts.dirOf(id))).toBe(false);
    expect(existsSync(foreign)).toBe(true);
    await counts.create({ session_id: id });
    await counts.daemon.delete(`/sessions/${id}`);
  });
});

describe("a prompt that is taken back while another turn runs", () => {
  it("closes nothing of that turn: its open call has its end when the sidecar dies", async () => {
    counts = await startCountsDaemon();
    const id = await counts.create({ prompt: "words=2 ask=1", permission_mode: "interactive" });
    await counts.until(id, (events) => events.some(({ type }) => type === "input_required"));
    const { body } = await counts.daemon.post(`/sessions/${id}/prompt`, { text: "never mind" });
    expect((await counts.daemon.delete(`/sessions/${id}/prompts/${body.turn_id}`)).status).toBe(200);
    process.kill(counts.sidecarPid(id), "SIGKILL");
    const events = await counts.until(id);
    expect(events.filter(({ type }) => type === "tool_result")).toMatchObject([{ data: { synthetic: true } }]);
    expect(counts.faultsOf(id)).toEqual([]);
  });
});

describe("a steer", () => {
  it("is written down by the sidecar that took it, before what comes of it", async () => {
    counts = await startCountsDaemon();
    const id = await counts.create({ prompt: "words=60 pause=20" });
    await counts.until(id, (events) => events.some(({ type }) => type === "agent_message"));
    const { body } = await counts.daemon.post(`/sessions/${id}/steer`, { text: "rather this" });
    const events = counts.events(id);
    const at = events.findIndex(({ type, data }) => type === "user_message" && data["text"] === "rather this");
    expect(events[at]?.data).toEqual({ turn_id: "t1", kind: "steer", text: "rather this" });
    expect(body.turn_id).toBe("t1");
    // Born in the sidecar: it would be in its spool, had the daemon died before it came.
    expect(events[at]?.sidecar_seq).toBe((events[at - 1]?.sidecar_seq ?? 0) + 1);
    await counts.daemon.delete(`/sessions/${id}`);
    expect(counts.faultsOf(id)).toEqual([]);
  });
});

describe("a sidecar that dies while the daemon is away", () => {
  it("leaves a call open that only its spool knows of: it is closed all the same", async () => {
    counts = await startCountsDaemon();
    const id = await counts.create({ prompt: "words=20 pause=50 ask=1", permission_mode: "interactive" });
    await counts.until(id, (events) => events.some(({ type }) => type === "agent_message"));
    await counts.daemon.kill9();
    const spooled = () =>
      readdirSync(counts.dirOf(id))
        .filter((name) => name.startsWith("spool-"))
        .map((name) => readFileSync(join(counts.dirOf(id), name), "utf8"))
        .join("");
    await eventually(() => spooled().includes('{"type":"input_required"'));
    process.kill(counts.sidecarPid(id), "SIGKILL");
    await counts.restart();
    const events = await counts.until(id);
    expect(events.filter(({ type }) => type === "tool_result")).toMatchObject([{ data: { synthetic: true } }]);
    expect(counts.faultsOf(id)).toEqual([]);
    expect(sessionProcesses(id)).toEqual([]);
  });
});
