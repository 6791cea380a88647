/** `agentd run` and `agentd chat attach` on a terminal, as a person sees them. */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { type CountsDaemon, startCountsDaemon } from "../support/counts-daemon.ts";
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

async function open(daemon: Daemon) {
  const tmux = await openTmux({ env: { AGENTD_URL: daemon.url, AGENTD_TOKEN: daemon.token } });
  onTestFinished(() => tmux.close());
  return tmux;
}
const agentd = (...words: string[]) => [`"${process.execPath}"`, `"${agentdPath}"`, ...words].join(" ");

describe.skipIf(tmuxPath === undefined)("run on a terminal", () => {
  let dir: TempDir;
  let daemon: Daemon;
  beforeAll(async () => {
    dir = await tempDir();
    const agent = join(dir.path, "echo.mjs");
    await writeFile(agent, echoSource);
    const agents = { echo: { command: process.execPath, args: [agent], harness: "generic" } };
    daemon = await startDaemon({ dataDir: join(dir.path, "data"), config: { agents } });
  });
  afterAll(async () => {
    await daemon?.stop();
    await dir?.remove();
  });

  test("is the view of attach, says what its keys do, and exits as the agent did", async () => {
    const tmux = await open(daemon);
    await tmux.run(`${agentd("run", "--agent", "echo", "-i", "hello")}; echo "code $?"`);
    const rows = await tmux.sees(/^echo: hello$/m);
    expect(rows.join("\n")).toContain("· Starting echo");
    expect(rows.join(" ").replaceAll(/ +/g, " ")).toContain(
      "Ctrl+C interrupts the turn, twice leaves; Ctrl+D leaves. Left, the session goes on: agentd attach",
    );
    expect(await tmux.mode()).toMatchObject({ isAlternate: true, isCursorShown: false });
    await tmux.type("leave");
    await tmux.keys("Enter");
    await tmux.sees("■ ended, code 3");
    await tmux.keys("Enter");
    const after = await tmux.sees(/^code 3$/m);
    expect(after.join("")).toMatch(/Session \S+ has failed \(exit code 3\)\. Read it again with: agentd logs/);
    await tmux.isGivenBack();
  });

  test("is interrupted by Ctrl+C, and goes on when it is left, which is no failure", async () => {
    const tmux = await open(daemon);
    await tmux.run(`${agentd("run", "--agent", "echo", "--name", "tired", "sleep")}; echo "code $?"`);
    await tmux.sees(/works \d+s · tired/);
    await tmux.keys("C-c");
    await tmux.sees("Interrupting the turn; the session goes on. Press Ctrl+C again within 2 s to leave it");
    await tmux.type("half a word");
    await tmux.keys("C-d");
    await tmux.sees("The line is not empty: Ctrl+U, then Ctrl+D");
    await tmux.keys("C-u");
    await tmux.seesNo("half a word");
    await tmux.keys("C-d");
    const after = await tmux.sees(/^code 0$/m);
    expect(after.join("")).toContain("it goes on. Come back with: agentd attach");
    await tmux.isGivenBack();
    await daemon.cli("rm", "tired");
  });

  test("without -i is left with the session's end, and its lines stay on the terminal", async () => {
    const tmux = await open(daemon);
    await tmux.run(`clear; ${agentd("run", "--agent", "echo", "leave")}; echo "code $?"`);
    const rows = await tmux.sees(/^code 3$/m);
    expect(rows).toContain("› leave");
    expect(rows).toContain("echo: leave");
    expect(rows).toContain("■ The agent ended with code 3");
    await tmux.isGivenBack();
  });

  test("has lines with --plain, on a dumb terminal and into a pipe", async () => {
    const tmux = await open(daemon);
    const run = agentd("run", "--agent", "echo", "leave");
    for (const [name, command] of Object.entries({ plain: `${run} --plain`, dumb: `TERM=dumb ${run}` })) {
      // A name of its own: the screen before it may still be there.
      await tmux.run(`clear; ${command}; echo "${name} $?"`);
      expect(await tmux.sees(new RegExp(`^${name} 3$`, "m"))).toContain("echo: leave");
    }
    await tmux.run(`clear; ${run} | cat; echo "over"`);
    expect(await tmux.sees(/^over$/m)).toContain("echo: leave");
  });
});

describe.skipIf(tmuxPath === undefined)("chat attach on a terminal", () => {
  let counts: CountsDaemon;
  beforeAll(async () => {
    counts = await startCountsDaemon();
  });
  afterAll(() => counts?.stop());

  test("sees a message's session to its end, then talks in one of its own, below what was said before", async () => {
    const { daemon } = counts;
    await daemon.post("/chats", { name: "talk", config: { agent: "counts" } });
    const { session_id } = (await daemon.post("/chats/talk/messages", { message: "words=2000 pause=50 first" })).body;
    await counts.until(session_id, (events) => events.some(({ type }) => type === "agent_message"));
    const tmux = await open(daemon);
    await tmux.run(agentd("chat", "attach", "talk"));
    await tmux.sees("it answers a message");
    await tmux.sees(/works \d+s/);
    await daemon.post(`/sessions/${session_id}/interrupt`);
    await tmux.sees("○ idle");
    await tmux.type("words=1 pause=0 second");
    await tmux.keys("Enter");
    await tmux.sees("› words=1 pause=0 second");
    await tmux.sees("— success");
    await tmux.keys("Home");
    await tmux.sees("› words=2000 pause=50 first");
    await tmux.keys("C-d");
    await tmux.sees("attach talk\n$");
    expect((await tmux.screen()).join("")).toContain("it goes on. Come back with: agentd chat attach talk");
    await tmux.isGivenBack();
    const { session_chain } = (await daemon.get("/chats/talk")).body;
    expect(session_chain).toHaveLength(2);
    await daemon.delete("/chats/talk");
    await eventually(async () => (await daemon.get("/chats/talk")).status === 404);
  });

  test("has lines with --plain", async () => {
    const { daemon } = counts;
    await daemon.post("/chats", { name: "plain", config: { agent: "counts" } });
    const tmux = await open(daemon);
    await tmux.run(agentd("chat", "attach", "plain", "--plain"));
    await tmux.sees('Chat "plain", session');
    expect((await tmux.mode()).isAlternate).toBe(false);
    await tmux.type("words=1 pause=0 said");
    await tmux.keys("Enter");
    await tmux.sees("#1 ");
    await tmux.keys("C-d");
    await tmux.sees("Come back with");
    await daemon.delete("/chats/plain");
  });

  test("of a chat that is not there says so, and leaves the terminal as it is", async () => {
    const tmux = await open(counts.daemon);
    await tmux.run(`${agentd("chat", "attach", "none")}; echo "code $?"`);
    const rows = await tmux.sees(/^code 1$/m);
    expect(rows.join("\n")).toContain("chat not found");
  });
});
