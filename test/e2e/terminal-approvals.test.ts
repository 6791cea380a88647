/** What an agent asks, answered by keys in `agentd attach` on a terminal. */
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { type ClaudeDaemon, hasResults, ofType, startClaudeDaemon } from "../support/claude-daemon.ts";
import { eventually } from "../support/eventually.ts";
import { agentdPath } from "../support/start-daemon.ts";
import { tempDir } from "../support/temp-dir.ts";
import { openTmux, tmuxPath } from "../support/tmux.ts";

const ask = { interactive: true, permission_mode: "interactive" };

describe.skipIf(tmuxPath === undefined)("questions on a terminal", () => {
  let claude: ClaudeDaemon;
  beforeAll(async () => {
    claude = await startClaudeDaemon();
  });
  afterAll(() => claude?.stop());

  async function attach(id: string) {
    const env = { AGENTD_URL: claude.daemon.url, AGENTD_TOKEN: claude.daemon.token };
    const tmux = await openTmux({ env });
    onTestFinished(() => tmux.close());
    await tmux.run(`"${process.execPath}" "${agentdPath}" attach ${id}`);
    return tmux;
  }

  test("keys approve and deny a tool; words give a reason", async () => {
    const id = await claude.create({ ...ask, prompt: "[[bash:touch one.txt]]" });
    const tmux = await attach(id);
    await tmux.sees("? Allow: Bash  touch one.txt");
    await tmux.sees("a approve   s for this session   d deny");
    await tmux.sees("? asks you");
    // What comes at once with a question is somebody's typing, and is taken away again; a key that comes later is an answer.
    await claude.log(id, (events) => ofType(events, "input_required").length === 1);
    await eventually(
      async () => {
        await tmux.keys("C-u", "a");
        return (await claude.daemon.get(`/sessions/${id}`)).body.inputs.length === 0;
      },
      { what: "the answer by a key" },
    );
    await tmux.keys("C-u");
    await claude.log(id, hasResults(1));
    await tmux.sees("approved by client");
    await tmux.sees("▸ Bash  touch one.txt");

    await tmux.type("[[bash:touch two.txt]]");
    await tmux.keys("Enter");
    await tmux.sees("? Allow: Bash  touch two.txt");
    await tmux.type("/deny not that one");
    await tmux.keys("Enter");
    await tmux.sees("denied by client: not that one");
    const resolved = ofType(await claude.log(id, hasResults(2)), "input_resolved");
    expect(resolved.map((data) => [data["decision"], data["message"]])).toEqual([
      ["approve_once", undefined],
      ["deny", "not that one"],
    ]);
    await tmux.keys("C-d");
    await tmux.sees("Come back with");
    await tmux.isGivenBack();
  });

  test("an answer that was not taken is spoken of as long as its question is open", async () => {
    const options = [{ label: "Up" }, { label: "Down" }].map((option) => ({ ...option, description: "" }));
    const questions = ["Which way?", "And then?"].map((question) => ({
      question,
      header: "W",
      options,
      multiSelect: false,
    }));
    const id = await claude.create({ ...ask, prompt: `[[call:AskUserQuestion ${JSON.stringify({ questions })}]]` });
    const tmux = await attach(id);
    // The prompt holds the questions too: words typed before they are asked would be one more prompt.
    await tmux.sees("? The agent asks: Which way?");
    await tmux.type("only one of two");
    await tmux.keys("Enter");
    await tmux.sees("Not answered");
    const [input] = (await claude.daemon.get(`/sessions/${id}`)).body.inputs;
    const answers = Object.fromEntries(input.questions.map((question: { id: string }) => [question.id, "Down"]));
    const path = `/sessions/${id}/inputs/${input.request_id}`;
    expect((await claude.daemon.put(path, { decision: "approve_once", answers })).status).toBe(200);
    await tmux.sees("approved by");
    await tmux.seesNo("Not answered");
  });

  test("a long call that waits for permission can be read whole before it is answered", async () => {
    const words = Array.from({ length: 700 }, (_, at) => `w${at}`);
    const tmux = await attach(await claude.create({ ...ask, prompt: `[[bash:touch "${words.join(" ")}"]]` }));
    await tmux.sees('? Allow: Bash  touch "w0 w1');
    await tmux.sees("The whole call stands above: PgUp");
    const seen = await tmux.sees(/w699"$/m);
    for (let page = 0; page < 5 && !seen.some((row) => row.includes('command: touch "w0 w1')); page++) {
      const [before] = await tmux.screen();
      await tmux.keys("PageUp");
      await eventually(async () => (await tmux.screen())[0] !== before, { what: "the page above" });
      seen.push(...(await tmux.screen()));
    }
    const call = seen.filter((row) => /^ {2}/.test(row)).join(" ");
    expect(words.filter((word) => !new RegExp(`\\b${word}\\b`).test(call))).toEqual([]);
  });

  test("an edit that waits for permission shows its lines", async () => {
    const dir = await tempDir();
    onTestFinished(() => dir.remove());
    const file = join(dir.path, "new.txt");
    const prompt = `[[call:Write ${JSON.stringify({ file_path: file, content: "alpha\nbeta\n" })}]]`;
    const tmux = await attach(await claude.create({ ...ask, prompt, work_dir: dir.path }));
    await tmux.sees("? Allow: Write");
    const rows = await tmux.sees("+beta");
    expect(rows.map((row) => row.trim())).toContain("+alpha");
  });

  test("a question shows its choices, and takes a number", async () => {
    const options = [
      { label: "Up", description: "that way" },
      { label: "Down", description: "the other way" },
    ];
    const input = { questions: [{ question: "Which way?", header: "W", options, multiSelect: false }] };
    const id = await claude.create({ ...ask, prompt: `[[call:AskUserQuestion ${JSON.stringify(input)}]]` });
    const tmux = await attach(id);
    const rows = await tmux.sees("2) Down the other way");
    expect(rows).toContain("? The agent asks: Which way?");
    expect(rows).toContain("  1) Up that way");
    expect(rows.at(-1)).toMatch(/^answer › ▏/);
    await tmux.type("2");
    await tmux.keys("Enter");
    const events = await claude.log(id, hasResults(1));
    expect(ofType(events, "tool_result").at(-1)?.["output"]).toContain("Down");
    await tmux.sees("approved by client");
  });
});
