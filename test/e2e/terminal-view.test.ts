/** `agentd attach` on a terminal, as a person sees it. */
import { copyFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { putEndedSession } from "../support/ended-session.ts";
import { eventually } from "../support/eventually.ts";
import { agentdPath, type Daemon, startDaemon } from "../support/start-daemon.ts";
import { type TempDir, tempDir } from "../support/temp-dir.ts";
import { openTmux, tmuxPath } from "../support/tmux.ts";

const echoSource = `
import { createInterface } from "node:readline";
process.on("SIGINT", () => console.log("interrupted"));
for await (const line of createInterface({ input: process.stdin })) {
  console.log("echo: " + line);
  if (line === "leave") process.exit(3);
  if (line === "sleep") await new Promise((resolve) => setTimeout(resolve, 600_000));
}
`;
const ended = "00000000-0000-4000-8000-000000000001";
const long = "00000000-0000-4000-8000-000000000002";
const hostile = "00000000-0000-4000-8000-000000000003";
const t1 = { turn_id: "t1" };
const usage = { input_tokens: 1200, output_tokens: 340, cache_read_input_tokens: 0, cache_creation_input_tokens: 0 };
const talk = [
  { type: "user_message", data: { ...t1, kind: "prompt", text: "Mend the test" } },
  {
    type: "agent_message",
    data: {
      ...t1,
      item_id: "i1",
      text: "# Plan\n\nI look at `a.ts` **first**, and then at whatever it imports from elsewhere in the house.\n\n- one\n- two\n\n```ts\nconst x = 1;\n```",
      delta: false,
    },
  },
  { type: "tool_use", data: { ...t1, id: "c1", name: "Bash", kind: "execute", input: { command: "npm test" } } },
  {
    type: "tool_result",
    data: { ...t1, id: "c1", name: "Bash", output: "FAIL\nneedle in the output\n", is_error: true, duration_ms: 1234 },
  },
  {
    type: "tool_use",
    data: {
      ...t1,
      id: "c2",
      name: "Edit",
      kind: "edit",
      input: { file_path: "/w/a.ts", old_string: "let a = 1;\nreturn a;", new_string: "let a = 2;\nreturn a;" },
    },
  },
  { type: "tool_result", data: { ...t1, id: "c2", name: "Edit", output: "done", is_error: false, duration_ms: 12 } },
  {
    type: "result",
    data: { ...t1, session_id: "s", status: "success", cost_usd: 0.0421, duration_ms: 65_000, num_turns: 1, usage },
  },
];

describe.skipIf(tmuxPath === undefined)("attach on a terminal", () => {
  let dir: TempDir;
  let daemon: Daemon;
  beforeAll(async () => {
    dir = await tempDir();
    const agent = join(dir.path, "echo.mjs");
    await writeFile(agent, echoSource);
    const dataDir = join(dir.path, "data");
    putEndedSession(dataDir, ended, talk);
    const many = Array.from({ length: 100_000 }, (_, i) => ({
      type: "agent_message",
      data: { ...t1, item_id: `i${i}`, text: `message ${i} of many`, delta: false },
    }));
    putEndedSession(dataDir, long, many);
    const evil =
      "\x1b]52;c;ZXZpbA==\x07\x1b]8;;http://evil\x07link\x1b]8;;\x07 \x1b]0;title\x07\x1b[2J\x1b[31mred\x1b[?1049l \u009b5n end";
    putEndedSession(dataDir, hostile, [
      { type: "user_message", data: { ...t1, kind: "prompt", text: evil, by: evil } },
      { type: "agent_message", data: { ...t1, item_id: "i1", text: evil, delta: true } },
      {
        type: "tool_use",
        data: { ...t1, id: "c", name: evil, kind: "edit", input: { file_path: evil, content: evil } },
      },
      { type: "tool_result", data: { ...t1, id: "c", name: evil, output: evil, is_error: true, duration_ms: 1 } },
      { type: "error", data: { code: evil, message: evil, retryable: false } },
      { type: "stdout", data: { text: evil } },
    ]);
    const agents = { echo: { command: process.execPath, args: [agent], harness: "generic" } };
    daemon = await startDaemon({ dataDir, config: { agents } });
  });
  afterAll(async () => {
    await daemon?.stop();
    await dir?.remove();
  });

  async function open(size: { columns?: number; rows?: number } = {}, env: Record<string, string | undefined> = {}) {
    const tmux = await openTmux({ ...size, env: { AGENTD_URL: daemon.url, AGENTD_TOKEN: daemon.token, ...env } });
    onTestFinished(() => tmux.close());
    return tmux;
  }
  const attach = (id: string, ...more: string[]) =>
    [`"${process.execPath}"`, ...more, `"${agentdPath}"`, "attach", id].join(" ");
  async function create(request: Record<string, unknown> = {}): Promise<string> {
    const { body, text } = await daemon.post("/sessions", { agent: "echo", interactive: true, ...request });
    expect(body.session_id, text).toBeDefined();
    return body.session_id;
  }
  const logOf = async (id: string) => (await daemon.get(`/sessions/${id}/log`)).text;

  test("shows the conversation: words, folded tools, diffs, and a line about the session; and gives the terminal back", async () => {
    const tmux = await open();
    await tmux.run("echo before");
    await tmux.sees(/^before\n\$/m);
    await tmux.run(attach(ended));
    const rows = await tmux.sees("■ ended, code 0");
    expect(rows.slice(0, -3).filter((row) => row !== "")).toEqual([
      "› Mend the test",
      "Plan",
      "I look at a.ts first, and then at whatever it imports from elsewhere in the house.",
      "• one",
      "• two",
      "┌ ts",
      "│ const x = 1;",
      "└",
      " ▸ Bash  npm test ✗ 1.2s · 2 lines",
      " ▾ Edit  /w/a.ts +1 −1 · 12ms",
      "  -let a = 1;",
      "  +let a = 2;",
      "   return a;",
      "— success · 1m 05s · $0.0421 · 1.2k in, 340 out",
      "■ The agent ended with code 0",
    ]);
    expect(rows.at(-2)).toMatch(/^■ ended, code 0 · 00000000 · claude · turn \d+/);
    expect(await tmux.mode()).toMatchObject({ isAlternate: true, isCursorShown: false });
    await tmux.keys("Tab", "Tab");
    await tmux.sees("❯▸ Bash");
    await tmux.keys("Enter");
    expect(await tmux.sees("needle in the output")).toContain("  $ npm test");
    await tmux.keys("Escape");
    await tmux.seesNo("❯");
    await tmux.keys("Enter");
    const after = await tmux.sees(`Session ${ended} has finished (exit code 0)`);
    expect(after.slice(0, 3)).toEqual(["$ echo before", "before", expect.stringContaining("attach")]);
    await tmux.isGivenBack();
  });

  test("finds words, also in what is folded away", async () => {
    const tmux = await open();
    await tmux.run(attach(ended));
    await tmux.sees("■ ended");
    await tmux.keys("C-f");
    await tmux.type("NEEDLE");
    await tmux.keys("Enter");
    await tmux.sees("  needle in the output");
    expect(await tmux.painted()).toContain("\x1b[30m\x1b[43mneedle");
    await tmux.keys("Enter");
    await tmux.sees("Found no more");
    await tmux.keys("Escape");
    await tmux.sees("Enter leaves");
  });

  test("takes prompts, and leaves the session as it is", async () => {
    const id = await create({ name: "talk" });
    const tmux = await open();
    await tmux.run(attach(id));
    await tmux.sees("○ idle");
    await tmux.type("hello there");
    await tmux.keys("Enter");
    await tmux.sees(/^› hello there$/m);
    await tmux.sees(/^echo: hello there$/m);
    await tmux.keys("C-c");
    await tmux.sees("Nothing runs; press Ctrl+C again to leave");
    await tmux.keys("C-c");
    await tmux.sees(`Left session ${id}`);
    await tmux.isGivenBack();
    expect((await daemon.get(`/sessions/${id}`)).body.status).toBe("running");
    await daemon.cli("rm", id);
  });

  test("what is said below the conversation goes without a key when it is no longer true", async () => {
    const id = await create();
    const tmux = await open();
    await tmux.run(attach(id));
    await tmux.sees("○ idle");
    await tmux.keys("C-c");
    await tmux.sees("Nothing runs; press Ctrl+C again to leave");
    await tmux.seesNo("press Ctrl+C again");
    await tmux.type("/approve");
    await tmux.keys("Enter");
    await tmux.sees("Not answered: No question is open");
    await tmux.seesNo("Not answered");
    // What was typed wrongly waits for who typed it: it is there until the next key.
    await tmux.type("/steer");
    await tmux.keys("Enter");
    await tmux.sees("/steer needs a text");
    await tmux.keys("C-d");
    await tmux.sees("Come back with");
    await daemon.cli("rm", id);
  });

  test("tells of a turn while it runs, and interrupts it", async () => {
    const id = await create({ interactive: false, prompt: "sleep", name: "tired" });
    const tmux = await open();
    await tmux.run(attach(id));
    await tmux.sees(/works \d+s · tired · echo · turn 1/);
    await tmux.keys("C-c");
    await eventually(async () => (await logOf(id)).includes('"text":"interrupted"'), { what: "the interrupt" });
    await tmux.keys("C-d");
    await tmux.sees("Come back with");
    await daemon.cli("rm", id);
  });

  test("an end of the session is shown until it was read; its code is that of the command", async () => {
    const id = await create();
    const tmux = await open();
    await tmux.run(`${attach(id)}; echo "code $?"`);
    await tmux.sees("○ idle");
    await tmux.type("leave");
    await tmux.keys("Enter");
    await tmux.sees("■ ended, code 3");
    await tmux.keys("Enter");
    await tmux.sees("code 3\n$");
  });

  test("many pasted lines are one prompt", async () => {
    const id = await create();
    const tmux = await open();
    await tmux.run(attach(id));
    await tmux.sees("○ idle");
    await tmux.type("\x1b[200~one\rtwo\x1b[201~");
    await tmux.sees("› one⏎two▏");
    await tmux.keys("Enter");
    await tmux.sees("› one\n  two");
    await tmux.keys("C-d");
    await tmux.sees("Come back with");
    await daemon.cli("rm", id);
  });

  test.each([
    ["SIGTERM", "TERM"],
    ["SIGHUP", "HUP"],
  ])("%s gives the terminal back", async (_title, signal) => {
    const id = await create();
    const tmux = await open();
    await tmux.run(attach(id));
    await tmux.sees("○ idle");
    const helper = await open();
    await helper.run(`pkill -${signal} -f 'attach ${id}'; echo sent`);
    await tmux.sees("Come back with");
    await tmux.isGivenBack();
    await daemon.cli("rm", id);
  });

  test("a crash gives it back too, and what it says of itself can be read", async () => {
    const id = await create();
    const crash = join(dir.path, "crash.mjs");
    await writeFile(crash, 'process.on("SIGUSR2", () => { throw new Error("it broke"); });');
    const tmux = await open();
    await tmux.run(attach(id, "--import", crash));
    await tmux.sees("○ idle");
    const helper = await open();
    await helper.run(`pkill -USR2 -f 'attach ${id}'; echo sent`);
    await tmux.sees("Error: it broke");
    await tmux.isGivenBack();
    await daemon.cli("rm", id);
  });

  test("a daemon that is gone is said to be, is waited for, and keeps nobody", async () => {
    const own = await startDaemon({ config: { agents: { cat: { command: "cat", harness: "generic" } } } });
    const { body } = await own.post("/sessions", { agent: "cat", interactive: true, prompt: "one" });
    const tmux = await open({}, { AGENTD_URL: undefined, AGENTD_TOKEN: undefined, AGENTRUNTIME_DATA_DIR: own.dataDir });
    await tmux.run(attach(body.session_id));
    await tmux.sees("○ idle");
    await own.kill9();
    await tmux.sees("✗ no connection");
    const next = await startDaemon({ dataDir: own.dataDir });
    await tmux.sees("○ idle");
    await tmux.type("two");
    await tmux.keys("Enter");
    await tmux.sees(/^two$/m);
    await next.kill9();
    await tmux.sees("✗ no connection");
    await tmux.keys("C-d");
    await tmux.sees("Come back with");
    await tmux.isGivenBack();
    const last = await startDaemon({ dataDir: own.dataDir });
    await last.delete(`/sessions/${body.session_id}`);
    await last.stop();
    await own.stop();
  });

  test("what an agent prints is words: it colours, moves, hides, names and copies nothing", async () => {
    const tmux = await open();
    await tmux.run(attach(hostile));
    const rows = await tmux.sees("■ ended");
    expect(rows.filter((row) => row.includes("link red")).length).toBeGreaterThan(4);
    const painted = await tmux.painted();
    for (const acted of ["\x1b]", "\u009b", "\u0007"]) expect(painted).not.toContain(acted);
    // A change of a file is written out; output loses it.
    const [written, others] = [true, false].map((is) =>
      rows.filter((row) => /‹U\+00(?:1B|07)›/.test(row) === is).join("\n"),
    );
    expect(written).toContain("+‹U+001B›]52;c;ZXZpbA==‹U+0007›");
    for (const hidden of ["evil", "title", "52;c", "http:"]) expect(others).not.toContain(hidden);
    expect((await tmux.mode()).isAlternate).toBe(true);
  });

  test("fits 40 columns and few rows, and follows each change of size", async () => {
    const tmux = await open({ columns: 40, rows: 24 });
    await tmux.run(`clear; ${attach(ended)}`);
    await tmux.sees("■ ended, code 0");
    await tmux.keys("PageUp");
    await tmux.sees("› Mend the test");
    const narrow = await tmux.screen();
    expect(narrow.join(" ")).toContain("first, and then at whatever it imports from elsewhere in the house.");
    expect(narrow).toContain(" ▸ Bash  npm test ✗ 1.2s · 2 lines");
    for (const [columns, rows] of [
      [100, 30],
      [60, 8],
      [20, 5],
      [90, 30],
    ] as const) {
      await tmux.resize(columns, rows);
      const seen = await tmux.sees("■ ended");
      expect(seen.length).toBe(rows);
      await eventually(async () => (await tmux.screen()).filter((row) => row.includes("■ ended,")).length === 1, {
        what: "one line about the session",
      });
    }
    await tmux.sees("› Mend the test");
  });

  test("100,000 events are read with little memory, and moved about in without waiting", async () => {
    const tmux = await open();
    await tmux.run(attach(long, "--max-old-space-size=160"));
    await tmux.sees("■ ended, code 0");
    await tmux.sees("message 99999 of many");
    await tmux.keys("Home");
    const first = await tmux.sees("↓ more below");
    expect(first.join("\n")).toMatch(/message 8\d\d\d\d of many/);
    await tmux.keys("C-f");
    await tmux.type("message 95000 ");
    await tmux.keys("Down");
    await tmux.sees("message 95000 of many");
    await tmux.keys("Escape");
    await tmux.seesNo("Esc ends");
    await tmux.keys("Escape");
    await tmux.sees("message 99999 of many");
  });

  test("what is not shown of a session is said, with what shows it", async () => {
    const tmux = await open();
    await tmux.run(`${attach(ended)} --no-replay`);
    await tmux.sees("· What was there before is not shown: agentd attach");
    await tmux.keys("C-d");
    await tmux.isGivenBack();
    await tmux.run(`clear; ${attach(ended)} --since 1000`);
    await tmux.sees("· The log before byte 1000 is not shown: agentd attach");
    await tmux.keys("C-d");
    await tmux.isGivenBack();
  });

  test("NO_COLOR takes all colours away", async () => {
    const tmux = await open({}, { NO_COLOR: "1" });
    await tmux.run(attach(ended));
    await tmux.sees("■ ended");
    expect(await tmux.painted()).not.toContain("\x1b[");
    await tmux.keys("Enter");
    await tmux.sees("has finished (exit code 0)");
    const commands = ["ls --all", `logs ${ended}`, "doctor"].map(
      (words) => `"${process.execPath}" "${agentdPath}" ${words}`,
    );
    await tmux.run(`clear; ${commands.join("; ")}; echo over and out`);
    await tmux.sees(/^over and out$/m);
    expect(await tmux.painted()).not.toContain("\x1b[");
  });

  test("a program that was copied alone says what is missing, and shows lines", async () => {
    const alone = join(dir.path, "agentd.mjs");
    await copyFile(agentdPath, alone);
    const tmux = await open();
    await tmux.run(`clear; "${process.execPath}" "${alone}" attach ${ended}; echo "code $?"`);
    const rows = await tmux.sees(/^code 0$/m);
    expect(rows.join("")).toContain("Cannot open a view: the file ink-screen.js is not beside this program");
    expect(rows).toContain("● Bash  npm test");
  });

  test("--plain, a dumb terminal and a pipe have lines", async () => {
    const tmux = await open();
    const lines = await daemon.cli("attach", ended);
    expect(lines.stdout).toContain("● Bash  npm test");
    for (const command of [`${attach(ended)} --plain`, `TERM=dumb ${attach(ended)}`, `${attach(ended)} | cat`]) {
      await tmux.run(`clear; ${command}; echo "code $?"`);
      const rows = await tmux.sees("code 0\n");
      expect(rows).toContain("● Bash  npm test");
      expect(rows).toContain("■ The agent ended with code 0");
    }
  });
});
