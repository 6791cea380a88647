/** What a program that speaks ACP offers to choose from, chosen at the start and in mid-session. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, onTestFinished, vi } from "vitest";
import { type AcpDaemon, type ProgramName, programs, startAcpDaemon } from "../support/acp-daemon.ts";
import { hasResults, ofType, results } from "../support/claude-daemon.ts";
import { eventually } from "../support/eventually.ts";
import { tempDir } from "../support/temp-dir.ts";

vi.setConfig({ testTimeout: 180_000, hookTimeout: 120_000 });
let acp: AcpDaemon;
beforeAll(async () => {
  acp = await startAcpDaemon();
});
afterAll(() => acp.stop());

const patch = async (id: string, change: Record<string, unknown>) =>
  (await acp.daemon.patch(`/sessions/${id}`, change)).status;
const lastModel = () => acp.model.requests.at(-1)?.body.model;
const modeOf = (events: Parameters<typeof ofType>[0]) =>
  ofType(events, "system").find((data) => data["subtype"] === "init")?.["mode"];

it.each([
  ["claude-acp", { options: { mode: "plan" } }, "Plan mode is active"],
  ["claude-acp", { mode: "plan" }, "Plan mode is active"],
  ["opencode", { options: { mode: "plan" } }, "Plan mode"],
  ["opencode", { mode: "plan" }, "Plan mode"],
] as const)("%s begins with %j, and its model is told", async (agent, wish, words) => {
  const before = acp.model.requests.length;
  const id = await acp.create({ agent, prompt: "hello", acp: wish });
  const events = await acp.log(id);
  expect(results(events)).toEqual([{ turn: "t1", status: "success" }]);
  const sent = JSON.stringify(acp.model.requests.slice(before).map(({ body }) => body));
  expect(sent.toLowerCase()).toContain(words.toLowerCase());
  if ("mode" in wish) expect(modeOf(events)).toBe("plan");
});

it("the Claude adapter takes another model in mid-session", async () => {
  const id = await acp.create({ agent: "claude-acp", prompt: "hello", interactive: true });
  await acp.log(id, hasResults(1));
  const before = lastModel();
  expect(await patch(id, { model: "haiku" })).toBe(200);
  await acp.prompt(id, "again");
  await acp.log(id, hasResults(2));
  expect(before).not.toContain("haiku");
  expect(lastModel()).toContain("haiku");
  await acp.daemon.delete(`/sessions/${id}`);
});

describe.each(["claude-acp", "qwen"] as const)("%s", (agent: ProgramName) => {
  it("asks from the moment that it is to, and no longer than that", async () => {
    const place = await tempDir();
    onTestFinished(() => place.remove());
    const file = (name: string) => join(place.path, name);
    const write = (name: string) => programs[agent].write(file(name));
    const id = await acp.create({ agent, prompt: write("one"), interactive: true, work_dir: place.path });
    const first = await acp.log(id, hasResults(1));
    expect(ofType(first, "input_required")).toEqual([]);
    expect(existsSync(file("one"))).toBe(true);

    expect(await patch(id, { permission_mode: "interactive" })).toBe(200);
    await acp.prompt(id, write("two"));
    const asked = await eventually(async () => (await acp.daemon.get(`/sessions/${id}`)).body.inputs?.[0], {
      what: "a question",
      deadlineMs: 60_000,
    });
    expect(existsSync(file("two"))).toBe(false);
    await acp.daemon.put(`/sessions/${id}/inputs/${asked.request_id}`, { decision: "approve_once" });
    await acp.log(id, hasResults(2));
    expect(existsSync(file("two"))).toBe(true);

    expect(await patch(id, { permission_mode: "autonomous" })).toBe(200);
    await acp.prompt(id, write("three"));
    expect(ofType(await acp.log(id, hasResults(3)), "input_required")).toHaveLength(1);
    expect(existsSync(file("three"))).toBe(true);
    await acp.daemon.delete(`/sessions/${id}`);
  });
});

it("OpenCode, which asks only when it was started so, says that it cannot", async () => {
  const id = await acp.create({ agent: "opencode", prompt: "hello", interactive: true });
  await acp.log(id, hasResults(1));
  const { status, text } = await acp.daemon.patch(`/sessions/${id}`, { permission_mode: "interactive" });
  expect(status).toBeGreaterThanOrEqual(400);
  expect(status).toBeLessThan(500);
  expect(text).toContain("begin a session with permission_mode interactive");
  expect((await acp.daemon.get(`/sessions/${id}`)).body.permission_mode).toBe("autonomous");
  await acp.daemon.delete(`/sessions/${id}`);
});
