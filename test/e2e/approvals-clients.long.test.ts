/** Questions and those who answer them: several clients, late ones, lost daemons, the terminal. */
import { execa } from "execa";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type ClaudeDaemon, hasResults, ofType, results, startClaudeDaemon } from "../support/claude-daemon.ts";
import { eventually } from "../support/eventually.ts";
import { agentdPath, startDaemon } from "../support/start-daemon.ts";

let claude: ClaudeDaemon;
beforeAll(async () => {
  claude = await startClaudeDaemon();
});
afterAll(() => claude.stop());

const ask = { interactive: true, permission_mode: "interactive" };

async function openQuestion(id: string) {
  return eventually(async () => (await claude.daemon.get(`/sessions/${id}`)).body.inputs[0]);
}

async function endOf(id: string): Promise<void> {
  await claude.daemon.delete(`/sessions/${id}`);
  await claude.allGone(id);
}

describe("over WebSockets", () => {
  it("a client that comes late and reads nothing of the log is told, and its answer counts", async () => {
    const id = await claude.create({ ...ask, prompt: "[[bash:touch a.txt]]" });
    const { request_id } = await openQuestion(id);
    const late = await claude.daemon.ws(id);
    const frame = await late.frame("input_required");
    expect(frame.data).toMatchObject({ request_id, kind: "permission", turn_id: "t1" });
    const order = late.frames.map(({ type }) => type);
    expect(order.indexOf("connected")).toBeLessThan(order.indexOf("input_required"));
    late.send({ type: "respond", request_id, decision: "approve_once" });
    expect(await late.frame("answered")).toEqual({ type: "answered", request_id });
    await late.event(({ type }) => type === "result");
    expect(late.events.map(({ type }) => type)).toContain("input_resolved");
    const later = await claude.daemon.ws(id);
    await later.frame("connected");
    expect(later.frames.some(({ type }) => type === "input_required")).toBe(false);
    await Promise.all([late.close(), later.close()]);
    await endOf(id);
  });

  it("of two clients that answer at once one is first, and both are told what counts", async () => {
    const id = await claude.create({ ...ask, prompt: "[[bash:touch b.txt]]" });
    const { request_id } = await openQuestion(id);
    const [one, two] = await Promise.all([claude.daemon.ws(id, 0), claude.daemon.ws(id, 0)]);
    await Promise.all([one.frame("connected"), two.frame("connected")]);
    one.send({ type: "respond", request_id, decision: "approve_once" });
    two.send({ type: "respond", request_id, decision: "deny", message: "no" });
    const answers = await eventually(() => {
      const found = [one, two].map(({ frames }) => frames.find(({ type }) => type === "answered" || type === "error"));
      return found.every((frame) => frame !== undefined) && found;
    });
    expect(answers.map((frame) => frame?.type).sort()).toEqual(["answered", "error"]);
    expect(answers.find((frame) => frame?.type === "error")).toMatchObject({ code: "input_answered" });
    const events = await claude.log(id, hasResults(1));
    expect(ofType(events, "input_resolved")).toHaveLength(1);
    await Promise.all([one.close(), two.close()]);
    await endOf(id);
  });

  it("bad answers are refused and change nothing", async () => {
    const id = await claude.create({ ...ask, prompt: "[[bash:touch c.txt]]" });
    const { request_id } = await openQuestion(id);
    const client = await claude.daemon.ws(id);
    client.send({ type: "respond", request_id: "nope", decision: "deny" });
    client.send({ type: "respond", request_id, decision: "maybe" });
    const codes = await eventually(() => {
      const errors = client.frames.flatMap((frame) => (frame.type === "error" ? [frame.code] : []));
      return errors.length === 2 && errors;
    });
    expect(codes).toEqual(["input_not_found", "invalid_frame"]);
    expect((await claude.daemon.put(`/sessions/${id}/inputs/${request_id}`, { decide: "deny" })).status).toBe(400);
    expect((await openQuestion(id)).request_id).toBe(request_id);
    await client.close();
    await endOf(id);
  });
});

describe("after a kill -9 of the daemon", () => {
  it("a question is open under the same id, and its answer reaches the agent", async () => {
    const own = await startClaudeDaemon();
    const id = await own.create({ ...ask, prompt: "[[bash:touch d.txt]]" });
    const before = await eventually(async () => (await own.daemon.get(`/sessions/${id}`)).body.inputs[0]);
    await own.daemon.kill9();
    const next = await startDaemon({ dataDir: own.daemon.dataDir });
    try {
      const { body } = await next.get(`/sessions/${id}`);
      expect(body).toMatchObject({ permission_mode: "interactive", inputs: [before] });
      const client = await next.ws(id);
      expect((await client.frame("input_required")).data).toEqual(before);
      const put = (decision: string) => next.put(`/sessions/${id}/inputs/${before.request_id}`, { decision });
      expect((await put("approve_once")).status).toBe(200);
      await client.event(({ type }) => type === "result");
      expect((await put("approve_once")).status).toBe(200);
      expect((await put("deny")).status).toBe(409);
      await client.close();
      await next.delete(`/sessions/${id}`);
      await own.allGone(id);
    } finally {
      await next.stop();
      await own.stop();
    }
  });
});

describe("in the terminal", () => {
  const attach = (id: string) =>
    execa(process.execPath, [agentdPath, "attach", id, "--url", claude.daemon.url], {
      env: { NO_COLOR: "1", AGENTD_TOKEN: claude.daemon.token },
      reject: false,
      all: true,
      timeout: 50_000,
    });

  it("attach shows what is asked and takes typed answers", async () => {
    const id = await claude.create({ ...ask, prompt: "[[bash:touch e.txt]]" });
    const watching = attach(id);
    let seen = "";
    watching.all?.on("data", (chunk) => {
      seen += String(chunk);
    });
    const sees = (text: string) => eventually(() => seen.includes(text), { what: `"${text}" in ${seen}` });
    const type = (line: string) => watching.stdin?.write(`${line}\n`);
    await sees("asks for permission");
    await sees('Bash {"command":"touch e.txt"');
    type("/approve no-such");
    await sees('No open question begins with "no-such"');
    type("/approve-session");
    await sees("approved for this session by client");
    await claude.log(id, hasResults(1));

    type("[[bash:touch f.txt]]");
    await sees('Bash {"command":"touch f.txt"');
    type("/deny not that file");
    await sees("denied by client: not that file");
    await claude.log(id, hasResults(2));

    const input = { questions: [{ question: "Which?", header: "W", options: [{ label: "Up" }, { label: "Down" }] }] };
    type(`[[call:AskUserQuestion ${JSON.stringify(withDescriptions(input))}]]`);
    await sees("2) Down");
    type("/answer 2");
    const events = await claude.log(id, hasResults(3));
    expect(ofType(events, "tool_result").at(-1)?.["output"]).toContain("Down");
    await endOf(id);
    await watching;
  });

  it("single keys answer on a terminal, and Ctrl+D leaves", async () => {
    const id = await claude.create({ ...ask, prompt: "[[bash:touch i.txt]]" });
    const command = [process.execPath, agentdPath, "attach", id, "--plain", "--url", claude.daemon.url].join(" ");
    // Gives the command a terminal of its own.
    const watching = execa("script", ["--quiet", "--return", "--command", command, "/dev/null"], {
      env: { NO_COLOR: "1", AGENTD_TOKEN: claude.daemon.token },
      reject: false,
      timeout: 50_000,
    });
    let seen = "";
    watching.stdout?.on("data", (chunk) => {
      seen += String(chunk);
    });
    const sees = (text: string) => eventually(() => seen.includes(text), { what: `"${text}" in ${seen}` });
    const answer = async (key: string, count: number) => {
      await sees("a approves, s approves for this session, d denies");
      seen = "";
      watching.stdin?.write(key);
      await claude.log(id, hasResults(count));
    };
    await answer("a", 1);
    watching.stdin?.write("[[bash:touch j.txt]]\r");
    await answer("d", 2);
    watching.stdin?.write("[[bash:touch k.txt]]\r");
    await answer("s", 3);
    const resolved = ofType(await claude.log(id, hasResults(3)), "input_resolved");
    expect(resolved.map((data) => data["decision"])).toEqual(["approve_once", "deny", "approve_session"]);
    watching.stdin?.write("\x04");
    expect((await watching).exitCode).toBe(0);
    await endOf(id);
  });

  it("inputs, approve and deny need no attaching", async () => {
    const id = await claude.create({ ...ask, prompt: "[[bash:touch g.txt]]" });
    const { request_id } = await openQuestion(id);
    const listed = await claude.daemon.cli("inputs", id);
    expect(listed.stdout).toContain(request_id);
    expect(JSON.parse((await claude.daemon.cli("inputs", id, "--json")).stdout)).toMatchObject([{ request_id }]);
    expect((await claude.daemon.cli("approve", id, request_id.slice(0, 8))).exitCode).toBe(0);
    await claude.log(id, hasResults(1));
    expect((await claude.daemon.cli("approve", id)).stderr).toContain("No question is open");

    await claude.prompt(id, "[[bash:touch h.txt]]");
    await openQuestion(id);
    expect((await claude.daemon.cli("deny", id, "--message", "leave it")).exitCode).toBe(0);
    const events = await claude.log(id, hasResults(2));
    expect(ofType(events, "input_resolved").at(-1)).toMatchObject({ decision: "deny", message: "leave it" });
    expect(results(events).at(-1)).toEqual({ turn: "t2", status: "success" });
    await endOf(id);
  });
});

function withDescriptions({ questions }: { questions: { options: { label: string }[] }[] }) {
  return {
    questions: questions.map((question) => ({
      ...question,
      options: question.options.map((option) => ({ ...option, description: "that way" })),
      multiSelect: false,
    })),
  };
}
