/** `agentd top` on a terminal, as a person sees it. */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { eventually } from "../support/eventually.ts";
import { agentdPath, type Daemon, startDaemon } from "../support/start-daemon.ts";
import { type TempDir, tempDir } from "../support/temp-dir.ts";
import { openTmux, tmuxPath } from "../support/tmux.ts";

/** Says each line again; works on `sleep` until it is interrupted. */
const echoSource = `
import { createInterface } from "node:readline";
process.on("SIGINT", () => console.log("interrupted"));
for await (const line of createInterface({ input: process.stdin })) {
  console.log("\\x1b]0;owned\\x07echo: " + line);
  if (line === "sleep") await new Promise((resolve) => setTimeout(resolve, 600_000));
}
`;

describe.skipIf(tmuxPath === undefined)("top", () => {
  let dir: TempDir;
  let daemon: Daemon;
  beforeAll(async () => {
    dir = await tempDir();
    const agent = join(dir.path, "echo.mjs");
    await writeFile(agent, echoSource);
    const echo = { command: process.execPath, args: [agent], harness: "generic" };
    daemon = await startDaemon({ config: { agents: { echo, other: echo } } });
  });
  afterAll(async () => {
    await daemon?.stop();
    await dir?.remove();
  });

  async function create(request: Record<string, unknown>): Promise<string> {
    const { body, text } = await daemon.post("/sessions", { agent: "echo", interactive: true, ...request });
    expect(body.session_id, text).toBeDefined();
    return body.session_id;
  }
  async function open(size: { columns?: number; rows?: number } = {}, ...args: string[]) {
    const tmux = await openTmux({ ...size, env: { AGENTD_URL: daemon.url, AGENTD_TOKEN: daemon.token } });
    onTestFinished(() => tmux.close());
    await tmux.run(`clear; "${process.execPath}" "${agentdPath}" top ${args.join(" ")}`);
    await tmux.sees("agentd top");
    return tmux;
  }
  const viewOf = async (id: string) => (await daemon.get(`/sessions/${id}`)).body;

  test("lists what lives with its last word, and is led by keys: sort, filter, interrupt, attach, stop", async () => {
    const quiet = await create({ name: "quiet", prompt: "good morning" });
    const busy = await create({ name: "busy", interactive: false, prompt: "sleep", agent: "other" });
    const tmux = await open({ columns: 110 });
    const rows = await tmux.sees("echo: good morning");
    await tmux.sees("echo: sleep");
    expect(rows[0]).toMatch(/^agentd top · 2 live · 1 busy · \$0\.00 · by what needs you$/);
    expect(rows[1]).toMatch(/^ {2}ID +NAME +AGENT +STATE +TURN +TOKENS +COST +AGE +MODEL +LAST WORD$/);
    // Who works comes before who waits.
    expect(rows[2]).toMatch(new RegExp(`^❯ ${busy.slice(0, 8)} +busy +other +busy +\\d+`));
    expect(rows[3]).toMatch(new RegExp(`^ {2}${quiet.slice(0, 8)} +quiet +echo +idle`));

    await tmux.keys("s");
    await tmux.sees("by age");
    await tmux.keys("r");
    await tmux.sees("by age, reversed");
    await tmux.keys("s", "s", "s");
    await tmux.sees(/by name, reversed[\s\S]*quiet[\s\S]*busy/);

    await tmux.keys("/");
    await tmux.type("other");
    await tmux.keys("Enter");
    await eventually(async () => !(await tmux.screen()).join("\n").includes("quiet"), { what: "the filter" });
    await tmux.sees("1 live");
    await tmux.keys("i");
    await tmux.sees("Interrupting the turn of busy");
    await eventually(async () => (await daemon.get(`/sessions/${busy}/log`)).text.includes('"text":"interrupted"'), {
      what: "the interrupt",
    });
    await tmux.keys("Enter");
    await tmux.sees("echo: sleep");
    await tmux.sees(/works .* busy · other/);
    await tmux.keys("C-d");
    await tmux.sees("agentd top");

    // What is pasted is no key.
    await tmux.type("\x1b[200~xy\x1b[201~");
    await tmux.keys("x");
    await tmux.sees("Stop session busy? y stops it, any other key does not");
    await tmux.keys("n");
    expect((await viewOf(busy)).ended_at).toBeUndefined();
    await tmux.keys("x");
    await tmux.sees("Stop session busy?");
    await tmux.keys("y");
    await tmux.sees("Stopping busy");
    await eventually(async () => (await viewOf(busy)).ended_at !== undefined, { what: "the end" });
    await tmux.keys("a");
    await tmux.sees("stopped");
    await tmux.keys("q");
    await tmux.isGivenBack();
    for (const id of [quiet, busy]) await daemon.cli("rm", id);
  });

  test("what it says of a moment goes by itself", async () => {
    const id = await create({ name: "calm", prompt: "good night" });
    const tmux = await open({ columns: 110 });
    await tmux.sees("echo: good night");
    await tmux.keys("i");
    await tmux.sees("Nothing runs in calm");
    const isSaid = async () => (await tmux.screen()).join("\n").includes("Nothing runs");
    await eventually(async () => !(await isSaid()), { deadlineMs: 30_000, what: "an end of the note without a key" });
    await tmux.keys("q");
    await tmux.isGivenBack();
    await daemon.cli("rm", id);
  });

  test("fits 40 columns, and follows each change of size", async () => {
    const id = await create({ name: "narrow", prompt: "good evening" });
    const tmux = await open({ columns: 40, rows: 12 });
    const rows = await tmux.sees("narrow");
    expect(rows[1]).toMatch(/^ {2}NAME +STATE +(?:AGE +)?LAST WORD$/);
    await tmux.resize(110, 20);
    await tmux.sees(/ID +NAME +AGENT[\s\S]*narrow[\s\S]*echo: good evening/);
    await tmux.resize(30, 6);
    await tmux.sees(/NAME[\s\S]*narrow/);
    await tmux.keys("C-c");
    await tmux.isGivenBack();
    await daemon.cli("rm", id);
  });

  test("says that the daemon is gone, and goes on when it is back", async () => {
    const own = await startDaemon({ config: { agents: {} } });
    const tmux = await openTmux({ columns: 110, env: { AGENTRUNTIME_DATA_DIR: own.dataDir } });
    onTestFinished(() => tmux.close());
    await tmux.run(`clear; "${process.execPath}" "${agentdPath}" top`);
    await tmux.sees("No live sessions");
    await own.kill9();
    await tmux.sees("✗ Cannot reach a daemon");
    const next = await startDaemon({ dataDir: own.dataDir });
    await eventually(async () => !(await tmux.screen()).join("\n").includes("✗"), { what: "the daemon's return" });
    await tmux.keys("q");
    await tmux.isGivenBack();
    await next.stop();
    await own.stop();
  });

  test("without a terminal says what to use instead", async () => {
    const refused = await daemon.cli("top");
    expect(refused).toMatchObject({ exitCode: 2, stdout: "" });
    expect(refused.stderr).toContain("agentd ls prints the sessions once");
  });
});
