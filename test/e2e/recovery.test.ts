import { cpSync, mkdirSync, readdirSync, readFileSync, readlinkSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, describe, expect, it, onTestFinished } from "vitest";
import { type CountsDaemon, startCountsDaemon } from "../support/counts-daemon.ts";
import { eventually } from "../support/eventually.ts";
import { allProcesses, isAlive, sessionProcesses } from "../support/processes.ts";
import { startDaemon } from "../support/start-daemon.ts";

let counts: CountsDaemon;
afterEach(() => counts.stop());

it("a live session that one start cannot read is there at the next start, at work", async () => {
  counts = await startCountsDaemon();
  const id = await counts.create({ prompt: "words=3" });
  await counts.until(id, (events) => events.some(({ type }) => type === "result"));
  await counts.daemon.kill9();
  const path = join(counts.dirOf(id), "session.json");
  const record = readFileSync(path, "utf8");
  writeFileSync(path, record.replace('"version": 1', '"version": 2'));
  await counts.restart();
  expect(counts.daemon.output()).toContain(`Cannot read session \\"${id}\\"`);
  const shown = (await counts.daemon.get(`/sessions/${id}`)).body;
  expect(shown).toMatchObject({ status: "orphaned", agent: "counts" });
  expect(shown.unreadable).toContain(path);
  expect((await counts.daemon.cli("ls")).stdout).toMatch(/ counts +unreadable /);
  const refused = await counts.daemon.post(`/sessions/${id}/prompt`, { text: "words=2" });
  expect([refused.status, refused.body.error]).toEqual([409, "session_unreadable"]);
  await counts.daemon.kill9();
  writeFileSync(path, record);
  await counts.restart();
  const { status, body } = await counts.daemon.post(`/sessions/${id}/prompt`, { text: "words=2" });
  expect(status).toBe(202);
  const events = await counts.until(id, (all) => all.filter(({ type }) => type === "result").length === 2);
  expect(events.at(-1)).toMatchObject({ type: "result", data: { turn_id: body.turn_id, status: "success" } });
  await counts.daemon.delete(`/sessions/${id}`);
});

describe("a session that the start could not read", () => {
  it("is listed with the reason, and a DELETE ends all that lives of it and takes nothing from its folder", async () => {
    counts = await startCountsDaemon();
    const { id, files } = await liveOne();
    const path = join(counts.dirOf(id), "session.json");
    writeFileSync(path, "{");
    // Also when the index has never heard of it.
    for (const name of readdirSync(counts.daemon.dataDir))
      if (name.startsWith("state.db")) rmSync(join(counts.daemon.dataDir, name));
    await counts.restart();
    const list = (await counts.daemon.get("/sessions?state=live")).body;
    expect(list).toMatchObject([{ session_id: id, status: "orphaned" }]);
    expect(list[0].unreadable).toContain(path);
    expect(sessionProcesses(id)).not.toEqual([]);
    const sidecar = counts.sidecarPid(id);
    expect(isAlive(sidecar)).toBe(true);

    expect((await counts.daemon.delete(`/sessions/${id}`)).status).toBe(200);
    expect(sessionProcesses(id)).toEqual([]);
    expect(isAlive(sidecar)).toBe(false);
    expect((await counts.daemon.get("/sessions")).body).toEqual([]);
    expect((await counts.daemon.get(`/sessions/${id}`)).status).toBe(404);
    expect((await counts.daemon.get(`/sessions/${id}/log`)).text).toContain("words=3");
    expect(files.filter((name) => !readdirSync(counts.dirOf(id)).includes(name))).toEqual([]);
    expect(readFileSync(path, "utf8")).toBe("{");
    expect((await counts.daemon.post("/sessions", { agent: "counts", prompt: "words=1", session_id: id })).status).toBe(
      409,
    );
  });

  it("ends as any other by a DELETE when its record is there again", async () => {
    counts = await startCountsDaemon();
    const { id } = await liveOne();
    const path = join(counts.dirOf(id), "session.json");
    const record = readFileSync(path, "utf8");
    writeFileSync(path, "{");
    await counts.restart();
    writeFileSync(path, record);
    const answers = await Promise.all([1, 2].map(() => counts.daemon.delete(`/sessions/${id}`)));
    expect(answers.map(({ status }) => status)).toEqual([200, 200]);
    expect(counts.events(id).at(-1)).toMatchObject({ type: "exit", data: { error_category: "sidecar_lost" } });
    expect(counts.faultsOf(id)).toEqual([]);
    expect(sessionProcesses(id)).toEqual([]);
  });

  it("and is a copy's, does not cost the one that was copied its life", async () => {
    counts = await startCountsDaemon();
    const id = await counts.create({ prompt: "words=3" });
    await counts.until(id, (events) => events.some(({ type }) => type === "result"));
    const copy = await startCountsDaemon();
    onTestFinished(() => copy.stop());
    await copy.daemon.kill9();
    for (const name of ["sessions", "data-dir-id"])
      cpSync(join(counts.daemon.dataDir, name), join(copy.daemon.dataDir, name), { recursive: true });
    writeFileSync(join(copy.dirOf(id), "session.json"), "{");
    await copy.restart();
    expect((await copy.daemon.get(`/sessions/${id}`)).body.unreadable).toContain("session.json");
    expect((await copy.daemon.delete(`/sessions/${id}`)).status).toBe(200);
    expect(isAlive(counts.sidecarPid(id))).toBe(true);
    const { body } = await counts.daemon.post(`/sessions/${id}/prompt`, { text: "words=2" });
    await counts.until(id, (all) =>
      all.some(({ type, data }) => type === "result" && data["turn_id"] === body.turn_id),
    );
    await counts.daemon.delete(`/sessions/${id}`);
  });
});

/** A session that has answered, and whose daemon is dead; the files that it has then. */
async function liveOne(): Promise<{ id: string; files: string[] }> {
  const id = await counts.create({ prompt: "words=3" });
  await counts.until(id, (events) => events.some(({ type }) => type === "result"));
  await counts.daemon.kill9();
  return { id, files: readdirSync(counts.dirOf(id)) };
}

it("a live session whose log cannot be understood holds no file open and is in no figure", async () => {
  counts = await startCountsDaemon();
  const id = await counts.create({ prompt: "words=3" });
  await counts.until(id, (events) => events.some(({ type }) => type === "result"));
  await counts.daemon.kill9();
  const path = join(counts.dirOf(id), "events.ndjson");
  const log = readFileSync(path, "utf8");
  writeFileSync(path, "somebody's notes\n");
  await counts.restart();
  const { daemon } = counts;
  expect(daemon.output()).toContain(`Cannot read session \\"${id}\\"`);
  const fds = `/proc/${daemon.pid}/fd`;
  // One that is closed while it is looked at says so.
  await eventually(() => !readdirSync(fds).some((fd) => readlinkSync(join(fds, fd)) === path));
  const figures = (await daemon.get("/metrics")).text;
  expect(figures).toContain("agentruntime_sessions");
  expect(figures.split("\n").filter((line) => line.startsWith("agentruntime_sessions{"))).toEqual([]);
  await daemon.kill9();
  writeFileSync(path, log);
  await counts.restart();
  await counts.daemon.delete(`/sessions/${id}`);
});

it("a key keeper that does not start when its session is taken over is started once it can be", async () => {
  counts = await startCountsDaemon();
  const { dataDir } = counts.daemon;
  const config = JSON.parse(readFileSync(join(dataDir, "config-of-test.json"), "utf8"));
  Object.assign(config.agents.counts, { key_env: "OPERATORS_KEY", hide_key: true, base_url: "http://127.0.0.1:9" });
  const env = { OPERATORS_KEY: "a-key" };
  await counts.daemon.stop();
  counts.daemon = await startDaemon({ dataDir, config, env });
  const id = await counts.create({ prompt: "words=3" });
  const [keeper] = keepers();
  await counts.daemon.kill9();
  process.kill(keeper?.pid ?? 0, "SIGKILL");
  await eventually(() => keepers().length === 0);
  // No socket can be made where a folder is.
  const socket = join(keeper?.workDir ?? "", "k");
  rmSync(socket, { force: true });
  mkdirSync(join(socket, "in-the-way"), { recursive: true });
  counts.daemon = await startDaemon({ dataDir, env });
  await eventually(() => counts.daemon.output().includes("Cannot start the key keeper"));
  rmSync(socket, { recursive: true });
  await eventually(() => keepers().length === 1, { what: "the next keeper" });
  await counts.daemon.delete(`/sessions/${id}`);
  // It would wait for half a minute for a sidecar that it has not heard of.
  for (const { pid } of keepers()) process.kill(pid, "SIGKILL");
  await eventually(() => keepers().length === 0, { what: "the keeper's end" });
});

/** Of this test file's temp folder only. */
function keepers(): { pid: number; workDir: string }[] {
  const folder = process.env["TMPDIR"] ?? "";
  return allProcesses().filter(
    ({ commandLine, workDir }) => commandLine.includes("keeper.js") && workDir.startsWith(folder),
  );
}
