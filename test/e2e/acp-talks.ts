/** What a real program that speaks ACP does behind the one harness for all of them, which knows none. */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import {
  type AcpDaemon,
  type ProgramName,
  programNames,
  programs,
  runs,
  startAcpDaemon,
} from "../support/acp-daemon.ts";
import { hasResults, ofType, results, said } from "../support/claude-daemon.ts";
import type { LoggedEvent } from "../support/client-socket.ts";
import { eventually } from "../support/eventually.ts";
import { allProcesses, sessionProcesses } from "../support/processes.ts";
import { tempDir } from "../support/temp-dir.ts";

const talks = (events: readonly LoggedEvent[]) => events.filter(({ type }) => type === "agent_message").length >= 3;
const isRunning = (command: string) => allProcesses().some(({ commandLine }) => commandLine.includes(command));
const receipts = (events: readonly LoggedEvent[]) =>
  ofType(events, "progress").filter((data) => data["kind"] === "input_delivered");
const asks = (count: number) => (events: readonly LoggedEvent[]) => ofType(events, "input_required").length >= count;

/** The program itself, rather than what it started. */
function agentPid(id: string, name: ProgramName): number {
  const { command, args } = programs[name];
  const line = [command, ...args].join(" ");
  const ours = new Set(sessionProcesses(id));
  const found = allProcesses().find(({ pid, commandLine }) => ours.has(pid) && commandLine === line);
  if (!found) throw new Error(`no process of ${id} is ${line}`);
  return found.pid;
}

export function acpTalks(name: ProgramName): void {
  let acp: AcpDaemon;
  beforeAll(async () => {
    acp = await startAcpDaemon();
  });
  afterAll(() => acp.stop());

  const create = (request: Record<string, unknown>) => acp.create({ agent: name, ...request });
  const end = async (id: string) => {
    await acp.daemon.delete(`/sessions/${id}`);
    await acp.allGone(id);
  };
  const respond = (id: string, event: Record<string, unknown> | undefined, decision: string) =>
    acp.daemon.put(`/sessions/${id}/inputs/${event?.["request_id"]}`, { decision });

  it("answers a single prompt and ends", async () => {
    const id = await create({ prompt: "[[say:one answer]]" });
    const events = await acp.log(id);
    expect(said(events)).toEqual(["one answer"]);
    expect(ofType(events, "result")).toMatchObject([
      { turn_id: "t1", status: "success", text: "one answer", usage: { input_tokens: 100, output_tokens: 12 } },
    ]);
    expect(events.at(-1)).toMatchObject({ type: "exit", data: { code: 0 } });
    await acp.allGone(id);
  });

  it("takes three turns, runs a command, gets context and mention, and is resumed", async () => {
    // Some agents look for a conversation only where it was held.
    const place = await tempDir();
    await writeFile(join(place.path, "birds.txt"), "robin\nwagtail\nwren\n");
    const at = { work_dir: place.path };
    const id = await create({ prompt: "remember the word heron", interactive: true, ...at });
    await acp.log(id, hasResults(1));
    await acp.prompt(id, runs(name, "echo tool-says-hi"));
    await acp.log(id, hasResults(2));
    await acp.daemon.post(`/sessions/${id}/context`, { text: "the context said this" });
    await acp.daemon.post(`/sessions/${id}/mention`, { file_path: "birds.txt", line_start: 2, line_end: 2 });
    expect(await acp.daemon.post(`/sessions/${id}/mention`, { file_path: "fish.txt" })).toMatchObject({
      status: 400,
      body: { error: "invalid_request", message: expect.stringContaining("fish.txt: there is no such file") },
    });
    await acp.prompt(id, "/and a third");
    const events = await acp.log(id, hasResults(3));
    expect(results(events).map(({ status }) => status)).toEqual(["success", "success", "success"]);
    expect(ofType(events, "tool_use")).toMatchObject([{ turn_id: "t2", kind: "execute", name: programs[name].shell }]);
    expect(ofType(events, "tool_result")).toMatchObject([
      { turn_id: "t2", is_error: false, output: expect.stringContaining("tool-says-hi") },
    ]);
    // Agents also ask for titles and the like, so it need not be the last request.
    const sent = acp.model.requests.map(({ body }) => JSON.stringify(body.messages));
    const words = ["the context said this", "wagtail", "/and a third"];
    expect(sent.some((all) => words.every((word) => all.includes(word)))).toBe(true);
    await acp.daemon.post(`/sessions/${id}/stop`, { mode: "now" });
    await acp.log(id);

    const again = await create({ prompt: "[[say:back again]]", resume_session: id, ...at });
    const resumed = await acp.log(again);
    expect(said(resumed)).toEqual(["back again"]);
    const recalling = acp.model.requests.map(({ body }) => JSON.stringify(body.messages));
    expect(recalling.some((all) => all.includes("the word heron") && all.includes("back again"))).toBe(true);
    await place.remove();
  });

  it("is interrupted in mid-text and goes on", async () => {
    const id = await create({ prompt: "[[slow:20]]", interactive: true });
    await acp.log(id, talks);
    await acp.daemon.post(`/sessions/${id}/interrupt`);
    await acp.prompt(id, "[[say:next one]]");
    const events = await acp.log(id, hasResults(2));
    expect(results(events)).toEqual([
      { turn: "t1", status: "interrupted" },
      { turn: "t2", status: "success" },
    ]);
    expect(said(events).at(-1)).toBe("next one");
    await end(id);
  });

  it("is interrupted in mid-command, which is gone then", async () => {
    const seconds = 311 + programNames.indexOf(name);
    const id = await create({ prompt: runs(name, `timeout ${seconds} tail -f /dev/null`), interactive: true });
    await eventually(() => isRunning(`timeout ${seconds} tail -f /dev/null`), { deadlineMs: 30_000 });
    await acp.daemon.post(`/sessions/${id}/interrupt`);
    const events = await acp.log(id, hasResults(1));
    expect(results(events)).toEqual([{ turn: "t1", status: "interrupted" }]);
    expect(isRunning(`timeout ${seconds} tail -f /dev/null`)).toBe(false);
    expect(ofType(events, "tool_result")).toHaveLength(1);
    await acp.prompt(id, "[[say:and on]]");
    expect(said(await acp.log(id, hasResults(2))).at(-1)).toBe("and on");
    await end(id);
  });

  it("is steered in mid-text within the same turn", async () => {
    const id = await create({ prompt: "[[slow:20]]", interactive: true });
    await acp.log(id, talks);
    const steered = await acp.daemon.post(`/sessions/${id}/steer`, { text: "rather say [[say:steered text]]" });
    expect(steered.body).toMatchObject({ turn_id: "t1" });
    const events = await acp.log(id, hasResults(1));
    expect(results(events)).toEqual([{ turn: "t1", status: "success" }]);
    expect(said(events).at(-1)).toBe("steered text");
    expect(receipts(events)).toMatchObject([{ turn_id: "t1", input: "steer" }]);
    await end(id);
  });

  it("asks before it writes a file, and takes yes and no", async () => {
    const id = await create({ interactive: true, permission_mode: "interactive" });
    const path = join((await acp.daemon.get(`/sessions/${id}`)).body.work_dir, "made.txt");
    await acp.prompt(id, programs[name].write(path));
    const [asked] = ofType(await acp.log(id, asks(1)), "input_required");
    expect(asked).toMatchObject({ kind: "permission", turn_id: "t1", tool: { kind: "edit" } });
    expect((await respond(id, asked, "approve_once")).status).toBe(200);
    const done = await acp.log(id, hasResults(1));
    expect(ofType(done, "input_resolved")).toMatchObject([{ decision: "approve_once", by: "client" }]);
    expect(ofType(done, "tool_result")).toMatchObject([{ is_error: false }]);

    await acp.prompt(id, programs[name].write(path.replace("made", "other")));
    const [, second] = ofType(await acp.log(id, asks(2)), "input_required");
    expect((await respond(id, second, "deny")).status).toBe(200);
    const denied = await acp.log(id, hasResults(2));
    expect(ofType(denied, "input_resolved")[1]).toMatchObject({ decision: "deny" });
    expect(ofType(denied, "tool_result")[1]).toMatchObject({ is_error: true });
    await end(id);
  });

  it("tells why a call of the model failed", async () => {
    const id = await create({ prompt: "[[err401]]" });
    const events = await acp.log(id);
    expect(results(events)).toEqual([{ turn: "t1", status: "error" }]);
    const error_category = "auth_error";
    expect(ofType(events, "error")).toMatchObject([{ error_category, turn_id: "t1" }]);
    expect(events.at(-1)?.data).toMatchObject({ code: 1, error_category });
  });

  it("leaves nothing behind when it is killed", async () => {
    const seconds = 331 + programNames.indexOf(name);
    const id = await create({ prompt: runs(name, `timeout ${seconds} tail -f /dev/null`), interactive: true });
    await eventually(() => isRunning(`timeout ${seconds} tail -f /dev/null`), { deadlineMs: 30_000 });
    // The command may run before its call is told of.
    await acp.log(id, (events) => ofType(events, "tool_use").length > 0);
    process.kill(agentPid(id, name), "SIGKILL");
    const events = await acp.log(id);
    expect(results(events)).toEqual([{ turn: "t1", status: "aborted" }]);
    expect(ofType(events, "tool_result")).toMatchObject([{ synthetic: true }]);
    expect(events.at(-1)?.data).toMatchObject({ code: 137, signal: "SIGKILL" });
    await acp.allGone(id);
    expect(isRunning(`timeout ${seconds} tail -f /dev/null`)).toBe(false);
  });
}
