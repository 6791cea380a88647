/** The real Claude Code asks, a person answers: through the daemon, by PUT and by WebSocket. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type ClaudeDaemon, hasResults, ofType, results, said, startClaudeDaemon } from "../support/claude-daemon.ts";
import type { LoggedEvent } from "../support/client-socket.ts";
import { eventually } from "../support/eventually.ts";

let claude: ClaudeDaemon;
beforeAll(async () => {
  claude = await startClaudeDaemon();
});
afterAll(() => claude.stop());

const ask = { interactive: true, permission_mode: "interactive" };
const asked = (count: number) => (events: readonly LoggedEvent[]) => ofType(events, "input_required").length >= count;

/** The open questions, once there is one. */
const open = (id: string) =>
  eventually(async () => {
    const { inputs } = (await claude.daemon.get(`/sessions/${id}`)).body;
    return inputs.length > 0 && inputs;
  });
const answer = (id: string, request: string, body: object) =>
  claude.daemon.put(`/sessions/${id}/inputs/${request}`, body);
const workDirOf = async (id: string) => String((await claude.daemon.get(`/sessions/${id}`)).body.work_dir);

describe("a permission", () => {
  it("approved for the session covers the same tool and target only", async () => {
    const id = await claude.create({ ...ask, prompt: "[[bash:touch same.txt]]" });
    const [input] = await open(id);
    await answer(id, input.request_id, { decision: "approve_session" });
    await claude.log(id, hasResults(1));
    await claude.prompt(id, "[[bash:touch same.txt]]");
    const twice = await claude.log(id, hasResults(2));
    expect(ofType(twice, "input_required")).toHaveLength(1);
    expect(ofType(twice, "tool_result").map((data) => data["is_error"])).toEqual([false, false]);
    await claude.prompt(id, "[[bash:touch another.txt]]");
    await claude.log(id, asked(2));
    const [other] = await open(id);
    expect(other.tool.input.command).toBe("touch another.txt");
    await answer(id, other.request_id, { decision: "approve_once", updated_input: { command: "touch edited.txt" } });
    const events = await claude.log(id, hasResults(3));
    expect(ofType(events, "input_resolved").at(-1)).toMatchObject({ updated_input: { command: "touch edited.txt" } });
    const dir = await workDirOf(id);
    expect([existsSync(join(dir, "edited.txt")), existsSync(join(dir, "another.txt"))]).toEqual([true, false]);
    await claude.daemon.delete(`/sessions/${id}`);
  });

  it("does not use up the time of a turn or of the session while it is open", async () => {
    const id = await claude.create({ ...ask, turn_timeout: "4s", timeout: "6s", prompt: "[[bash:touch slow]]" });
    const [input] = await open(id);
    // Until those two limits have ended turns and sessions that began later and worked.
    const late = await claude.create({ interactive: true, turn_timeout: "4s", prompt: "[[slow:60]]" });
    const tooLate = await claude.create({ interactive: true, timeout: "6s", prompt: "[[slow:60]]" });
    expect(results(await claude.log(late, hasResults(1)))).toEqual([{ turn: "t1", status: "limit" }]);
    expect((await claude.log(tooLate)).at(-1)?.type).toBe("exit");
    await claude.daemon.delete(`/sessions/${late}`);
    await answer(id, input.request_id, { decision: "approve_once" });
    expect(results(await claude.log(id, hasResults(1)))).toEqual([{ turn: "t1", status: "success" }]);
    await claude.daemon.delete(`/sessions/${id}`);
  });

  it("is closed when the session is stopped while it is open", async () => {
    const id = await claude.create({ ...ask, prompt: "[[bash:touch gone.txt]]" });
    await open(id);
    await claude.daemon.post(`/sessions/${id}/stop`, { mode: "now" });
    const events = await claude.log(id);
    expect(ofType(events, "input_resolved")).toMatchObject([{ decision: "aborted" }]);
    expect(events.at(-1)?.type).toBe("exit");
    await claude.allGone(id);
  });
});

describe("a question", () => {
  const question = {
    questions: [
      {
        question: "Which colour?",
        header: "Colour",
        options: [
          { label: "Red", description: "Warm" },
          { label: "Blue", description: "Cold" },
        ],
        multiSelect: false,
      },
    ],
  };
  const prompt = `[[call:AskUserQuestion ${JSON.stringify(question)}]]`;

  it("is answered in free text", async () => {
    const id = await claude.create({ ...ask, prompt });
    const [input] = await open(id);
    await answer(id, input.request_id, { decision: "approve_once", message: "a shade of green" });
    const events = await claude.log(id, hasResults(1));
    expect(ofType(events, "tool_result")[0]?.["output"]).toContain("a shade of green");
    await claude.daemon.delete(`/sessions/${id}`);
  });

  it("is not asked where nobody can be asked", async () => {
    const id = await claude.create({ prompt });
    const events = await claude.log(id);
    expect(ofType(events, "input_required")).toEqual([]);
    expect(results(events)).toEqual([{ turn: "t1", status: "success" }]);
    expect(ofType(events, "tool_result")).toMatchObject([{ is_error: true }]);
  });
});

describe("a plan", () => {
  it("is confirmed, and then the agent goes on", async () => {
    const id = await claude.create({ ...ask, prompt: "[[plan:First look then leap]]" });
    let input = (await open(id))[0];
    if (input.kind !== "plan") {
      await answer(id, input.request_id, { decision: "approve_once" });
      await claude.log(id, asked(2));
      input = (await open(id))[0];
    }
    expect(input).toMatchObject({ kind: "plan", options: [{ id: "approve_once" }, { id: "deny" }] });
    const wide = await answer(id, input.request_id, { decision: "approve_session" });
    expect(wide.status).toBe(400);
    await answer(id, input.request_id, { decision: "approve_once" });
    const events = await claude.log(id, hasResults(1));
    expect(said(events).at(-1)).toBe("The plan is settled.");
    expect(results(events)).toEqual([{ turn: "t1", status: "success" }]);
    await claude.daemon.delete(`/sessions/${id}`);
  });
});
