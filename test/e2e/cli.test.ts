import { once } from "node:events";
import { readFile, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { execa } from "execa";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { eventually } from "../support/eventually.ts";
import { agentdPath, type Daemon, runCli, startDaemon } from "../support/start-daemon.ts";
import { type TempDir, tempDir } from "../support/temp-dir.ts";

/** Says each line again; `exit N` makes it leave with N, `sleep` makes it stay until it is interrupted. */
const echoSource = `
import { createInterface } from "node:readline";
process.on("SIGINT", () => console.log("interrupted"));
for await (const line of createInterface({ input: process.stdin })) {
  console.log("echo: " + line);
  const leave = /^exit (\\d+)$/.exec(line);
  if (leave) process.exit(Number(leave[1]));
  if (line === "sleep") setTimeout(() => process.exit(7), 60_000);
}
`;

let dir: TempDir;
let daemon: Daemon;
let config: { agents: Record<string, unknown> };

beforeAll(async () => {
  dir = await tempDir();
  const agent = join(dir.path, "echo.mjs");
  await writeFile(agent, echoSource);
  config = { agents: { echo: { command: process.execPath, args: [agent], harness: "generic" } } };
  daemon = await startDaemon({ config });
});

afterAll(async () => {
  await daemon?.stop();
  await dir?.remove();
});

async function create(request: Record<string, unknown> = {}): Promise<string> {
  const { body, status, text } = await daemon.post("/sessions", { agent: "echo", interactive: true, ...request });
  expect(status, text).toBe(201);
  return body.session_id;
}

/** `agentd` with a standard input that stays open, pointed at the daemon of a data dir. */
function interactive(args: readonly string[], dataDir: string = daemon.dataDir) {
  return execa(process.execPath, [agentdPath, ...args, "--data-dir", dataDir], {
    env: { NO_COLOR: "1" },
    reject: false,
    timeout: 50_000,
  });
}

async function logOf(id: string): Promise<string> {
  return (await daemon.get(`/sessions/${id}/log`)).text;
}

describe("run", () => {
  test("shows a one-shot session and exits as its agent did", async () => {
    const good = await daemon.cli("run", "--agent", "echo", "--work-dir", dir.path, "hello", "there");
    expect(good).toMatchObject({ exitCode: 0 });
    expect(good.stdout).toMatch(
      /^› hello there\necho: hello there\n— success · [^\n]+\n■ The agent ended with code 0$/m,
    );
    const bad = await daemon.cli("run", "--agent", "echo", "exit 3");
    expect(bad).toMatchObject({ exitCode: 3 });
    expect(bad.stdout).toContain("■ The agent ended with code 3");
  });

  test("reads a prompt from standard input", async () => {
    const { stdout } = await execa(
      process.execPath,
      [agentdPath, "run", "--agent", "echo", "-", "--data-dir", daemon.dataDir],
      {
        input: "from a pipe\n",
        env: { NO_COLOR: "1" },
      },
    );
    expect(stdout).toContain("echo: from a pipe");
  });

  test("with -i takes prompts from a pipe, and ends the session with it", async () => {
    const piped = await execa(
      process.execPath,
      [agentdPath, "run", "-i", "--agent", "echo", "one", "--data-dir", daemon.dataDir],
      { input: "two\nthree\n", env: { NO_COLOR: "1" }, reject: false, timeout: 50_000 },
    );
    expect({ exitCode: piped.exitCode, stderr: piped.stderr }).toMatchObject({
      exitCode: 0,
      stderr: expect.stringMatching(/^Session \S+/),
    });
    for (const text of ["› one", "echo: one", "› two", "echo: two", "› three", "echo: three", "ended with code 0"]) {
      expect(piped.stdout).toContain(text);
    }
    const nothing = await daemon.cli("run", "-i", "--agent", "echo", "exit 3");
    expect(nothing).toMatchObject({ exitCode: 3 });
  });

  test("says what to type about a session that cannot be resumed and a folder that is refused", async () => {
    const id = await create({ interactive: false, prompt: "hello", work_dir: dir.path });
    await daemon.cli("wait", id);
    const resumed = await daemon.cli("run", "--resume", id.slice(0, 8), "go on");
    // The echo has no conversation; that it was asked at all shows that the session's own agent was taken.
    expect(resumed).toMatchObject({ exitCode: 1, stderr: expect.stringContaining('with the agent "echo"') });
    const late = await daemon.cli("prompt", id, "more");
    expect(late.stderr).toMatch(new RegExp(`has ended\\. Go on from there with: agentd run --resume ${id} `));
    const refused = await daemon.cli("run", "--agent", "echo", "--work-dir", "/", "hello");
    expect(refused).toMatchObject({
      exitCode: 1,
      stderr: expect.stringMatching(/Name a project folder with --work-dir$/),
    });
  });

  test("without a prompt is a usage error, with an unknown agent a sentence", async () => {
    expect(await daemon.cli("run", "--agent", "echo")).toMatchObject({ exitCode: 2, stdout: "" });
    const unknown = await daemon.cli("run", "--agent", "nobody", "hi");
    expect(unknown).toMatchObject({ exitCode: 1, stdout: "" });
    expect(unknown.stderr).toContain("nobody");
  });

  test("serves a daemon when none answers, which leaves when it is no longer needed", async () => {
    const own = await tempDir();
    await writeFile(join(own.path, "config.json"), JSON.stringify(config));
    const { exitCode, stdout, stderr } = await interactive(["run", "--agent", "echo", "hello"], own.path);
    expect({ exitCode, stderr }).toMatchObject({ exitCode: 0 });
    expect(stderr).toContain(`No daemon is running for ${own.path}: starting one`);
    expect(stdout).toContain("echo: hello");
    await eventually(
      async () => (await runCli(["ls", "--data-dir", own.path])).stderr.includes("it has no daemon.json"),
      {
        deadlineMs: 60_000,
        what: "the daemon's leaving",
      },
    );
    await own.remove();
  });
});

describe("attach", () => {
  test("passes typed lines on and exits as the agent did", async () => {
    const id = await create();
    const attached = interactive(["attach", id]);
    attached.stdin.write("one\n//steer two\n/steer three\n");
    await eventually(async () => (await logOf(id)).includes("echo: three"), { what: "the last line's echo" });
    attached.stdin.end("exit 4\n");
    const { exitCode, stdout } = await attached;
    expect(exitCode).toBe(4);
    // The steer finds the second turn still open, or not: then it is a prompt.
    for (const text of [
      /› one/,
      /echo: one/,
      /› \/steer two/,
      /echo: \/steer two/,
      /› (\(steer\) )?three/,
      /ended with code 4/,
    ]) {
      expect(stdout).toMatch(text);
    }
  });

  test("of an ended session replays it, raw and readable, from any offset", async () => {
    const id = await create({ interactive: false, prompt: "exit 5" });
    await daemon.cli("wait", id);
    const log = (await logOf(id)).trimEnd();
    const second = Buffer.byteLength(log.slice(0, log.indexOf("\n") + 1));
    const rest = log.slice(log.indexOf("\n") + 1);
    expect(await daemon.cli("attach", id, "--json")).toMatchObject({ exitCode: 5, stdout: log });
    expect(await daemon.cli("attach", id, "--json", "--since", String(second))).toMatchObject({
      exitCode: 5,
      stdout: rest,
    });
    expect(await daemon.cli("attach", id, "--json", "--since", String(second - 3))).toMatchObject({
      exitCode: 5,
      stdout: rest,
    });
    expect(await daemon.cli("attach", "--no-replay", id)).toMatchObject({ exitCode: 5, stdout: "" });
    expect(await daemon.cli("logs", id, "--json")).toMatchObject({ exitCode: 0, stdout: log });
    expect(await daemon.cli("logs", id, "--json", "--since", String(second - 3))).toMatchObject({
      exitCode: 0,
      stdout: rest,
    });
    expect(await daemon.cli("logs", id, "-f", "--json")).toMatchObject({ exitCode: 0, stdout: log });
    const readable = await daemon.cli("logs", id);
    expect(readable.stdout).toBe((await daemon.cli("attach", id)).stdout);
    expect(readable.stdout).toContain("■ The agent ended with code 5");
  });

  test("Ctrl+C interrupts the turn, twice leaves and says how to come back", async () => {
    const id = await create({ interactive: false, prompt: "sleep" });
    const attached = interactive(["attach", id]);
    const said: string[] = [];
    attached.stdout.on("data", (chunk) => said.push(String(chunk)));
    await eventually(() => said.join("").includes("echo: sleep"), { what: "the agent's first line" });
    attached.kill("SIGINT");
    await eventually(async () => (await logOf(id)).includes('"text":"interrupted"'), { what: "the interrupt" });
    attached.kill("SIGINT");
    const { exitCode, stderr, stdout } = await attached;
    expect(exitCode).toBe(0);
    expect(stdout).toContain("echo: sleep");
    expect(stderr).toMatch(new RegExp(`Come back with: agentd attach ${id}$`));
    expect(await daemon.cli("rm", id)).toMatchObject({ exitCode: 0 });
  });

  test("with --json says from where a program goes on, and not a line comes twice or is missing", async () => {
    const id = await create({ prompt: "one" });
    const first = interactive(["attach", id, "--json"]);
    const said: string[] = [];
    first.stdout.on("data", (chunk) => said.push(String(chunk)));
    await eventually(() => said.join("").includes("echo: one"), { what: "the first echo" });
    first.stdin.write("/leave\n");
    const { stderr } = await first;
    const [, since = ""] = /Come back with: agentd attach \S+ --json --since (\d+)$/.exec(stderr) ?? [];
    expect(since, stderr).not.toBe("");
    await daemon.cli("stop", id);
    const second = await daemon.cli("attach", id, "--json", "--since", since);
    expect(`${said.join("")}${second.stdout}\n`).toBe(await logOf(id));
    await daemon.cli("rm", id);
  });

  test("Ctrl+C while nothing runs interrupts nothing; a second one and /leave leave the session as it is", async () => {
    const id = await create({ prompt: "hello" });
    const attached = interactive(["attach", id]);
    const said: string[] = [];
    attached.stdout.on("data", (chunk) => said.push(String(chunk)));
    attached.stderr.on("data", (chunk) => said.push(String(chunk)));
    await eventually(() => said.join("").includes("echo: hello"), { what: "the echo" });
    attached.kill("SIGINT");
    await eventually(() => said.join("").includes("Nothing runs; press Ctrl+C again to leave\n"), { what: "the note" });
    attached.kill("SIGINT");
    expect(await attached).toMatchObject({ exitCode: 0, stderr: expect.stringContaining("Come back with") });
    const leaving = interactive(["attach", id, "--no-replay"]);
    leaving.stdin.write("before\n/leave\nafter\n");
    expect(await leaving).toMatchObject({ exitCode: 0, stderr: expect.stringContaining("Come back with") });
    const idle = await daemon.cli("interrupt", id);
    expect(idle).toMatchObject({ exitCode: 0, stderr: `Nothing runs in session ${id}: there is nothing to interrupt` });
    const log = await logOf(id);
    expect(log).toContain('"text":"before"');
    expect(log).not.toContain("after");
    expect(log).not.toContain("interrupted");
    expect(await daemon.cli("rm", id)).toMatchObject({ exitCode: 0 });
  });

  test("goes on over the daemon's death and return, without repeating or missing a line", async () => {
    const home = await tempDir();
    const first = await startDaemon({ config, dataDir: home.path });
    const { body } = await first.post("/sessions", { agent: "echo", interactive: true, prompt: "one" });
    const attached = interactive(["attach", body.session_id, "--json"], home.path);
    const said: string[] = [];
    attached.stdout.on("data", (chunk) => said.push(String(chunk)));
    await eventually(() => said.join("").includes("echo: one"), { what: "the first echo" });
    await first.kill9();
    const second = await startDaemon({ config, dataDir: home.path });
    attached.stdin.write("two\n");
    await eventually(() => said.join("").includes("echo: two"), { what: "the second echo" });
    attached.stdin.end("exit 0\n");
    expect(await attached).toMatchObject({ exitCode: 0 });
    const log = (await second.get(`/sessions/${body.session_id}/log`)).text;
    expect(said.join("")).toBe(log);
    await second.stop();
    await home.remove();
  });
});

describe("sessions", () => {
  test("are listed, live ones alone unless asked", async () => {
    const id = await create({ name: "listed", work_dir: dir.path });
    const { stdout } = await daemon.cli("ls");
    expect(stdout.split("\n")[0]).toMatch(/^ID +NAME +AGENT +STATUS +ACTIVITY +TURNS +COST +AGE +DIR$/);
    expect(stdout).toMatch(
      new RegExp(`^${id.slice(0, 8)}\\w* +listed +echo +running +\\w+ +0 +- +\\d+s +${dir.path}$`, "m"),
    );
    expect(await daemon.cli("stop", "listed")).toMatchObject({ exitCode: 0 });
    expect((await daemon.cli("ls")).stdout).not.toContain("listed");
    expect((await daemon.cli("ls", "--all")).stdout).toContain("listed");
    const views: unknown = JSON.parse((await daemon.cli("ls", "--json", "--all")).stdout);
    expect(views).toContainEqual(expect.objectContaining({ session_id: id, name: "listed" }));
    await daemon.cli("rm", id);
  });

  test("are named by the beginning of their id, if only one has it", async () => {
    const ids = ["aaaa1111-0000-4000-8000-000000000001", "aaaa2222-0000-4000-8000-000000000002"];
    for (const session_id of ids) await create({ session_id });
    const prompted = await daemon.cli("prompt", "aaaa1", "hello", "you");
    expect(prompted).toMatchObject({ exitCode: 0 });
    await eventually(async () => (await logOf(ids[0] ?? "")).includes("echo: hello you"));
    const ambiguous = await daemon.cli("prompt", "aaaa", "hello");
    expect(ambiguous).toMatchObject({ exitCode: 2, stdout: "" });
    for (const id of ids) expect(ambiguous.stderr).toContain(id);
    const unknown = await daemon.cli("logs", "ffff");
    expect(unknown).toMatchObject({ exitCode: 1, stderr: expect.stringContaining('There is no session "ffff"') });
    for (const id of ids) expect(await daemon.cli("rm", id)).toMatchObject({ exitCode: 0 });
    expect((await daemon.cli("logs", "aaaa1")).stdout).toContain("echo: hello you");
  });

  test("are waited for", async () => {
    const id = await create();
    const waited = interactive(["wait", id]);
    expect(await daemon.cli("prompt", id, "exit 6")).toMatchObject({ exitCode: 0 });
    expect(await waited).toMatchObject({ exitCode: 6, stdout: "" });
    const done = await create({ interactive: false, prompt: "hello" });
    expect(await daemon.cli("wait", done)).toMatchObject({ exitCode: 0 });
  });

  test("are stopped without waiting for their end, which is said", async () => {
    const id = await create({ prompt: "sleep" });
    const hint = `Wait for its end with: agentd wait ${id}`;
    const drained = await daemon.cli("stop", id, "--drain");
    expect(drained.stderr).toBe(`Session ${id} ends when its queued turns are done. ${hint}`);
    expect((await daemon.cli("stop", id)).stderr).toBe(`Session ${id} is being stopped. ${hint}`);
    expect((await daemon.cli("wait", id)).stderr).toContain(`Session ${id} was stopped`);
    await daemon.cli("rm", id);
  });

  test.each([
    { what: "was stopped", request: {}, isStopped: true, exitCode: 0 },
    { what: "was stopped", request: { prompt: "sleep" }, isStopped: true, exitCode: 0 },
    // By which signal it ends is the agent's affair.
    { what: "ran out of time", request: { interactive: false, prompt: "sleep", timeout: "500ms" }, isStopped: false },
    { what: "has failed", request: { interactive: false, prompt: "exit 9" }, isStopped: false, exitCode: 9 },
  ])(
    "that $what after $request: wait, attach and stop say the same of it",
    async ({ what, request, isStopped, exitCode: given }) => {
      const id = await create(request);
      const waiting = interactive(["wait", id]);
      if (isStopped) await daemon.cli("stop", id);
      const waited = await waiting;
      const exitCode = given ?? (await daemon.get(`/sessions/${id}`)).body.exit_code;
      if (given === undefined) expect(exitCode).toBeGreaterThan(128);
      expect(waited).toMatchObject({ exitCode, stderr: expect.stringContaining(`Session ${id} ${what} (exit code`) });
      expect(await daemon.cli("attach", id)).toMatchObject({ exitCode });
      expect(await daemon.cli("wait", id)).toMatchObject({ exitCode, stderr: waited.stderr });
      expect(await daemon.cli("stop", id)).toMatchObject({
        exitCode: 0,
        stderr: expect.stringContaining(`Nothing to stop. Session ${id} ${what} (exit code`),
      });
    },
  );
});

describe("token", () => {
  test("is printed for the data dir's own daemon only", async () => {
    const args = ["token", "--data-dir", daemon.dataDir, "--url"];
    expect(await runCli([...args, daemon.url.replace("127.0.0.1", "localhost")])).toMatchObject({
      exitCode: 0,
      stdout: daemon.token,
    });
    expect(await runCli([...args, "http://127.0.0.1:9"])).toMatchObject({
      exitCode: 1,
      stdout: "",
      stderr: expect.stringContaining(`the daemon at ${daemon.url} serves the data dir`),
    });
  });
});

describe("the data dir's token", () => {
  test("goes to that data dir's daemon, by whatever name of this machine, and to nobody else", async () => {
    const got: (string | undefined)[] = [];
    const stranger = createServer((request, response) => {
      got.push(request.headers.authorization);
      response.writeHead(401).end();
    });
    stranger.listen(0, "127.0.0.1");
    await once(stranger, "listening");
    onTestFinished(() => void stranger.close());
    const { port } = stranger.address() as AddressInfo;
    const ls = (args: readonly string[], env = {}) => runCli(["ls", "--data-dir", daemon.dataDir, ...args], env);
    await ls(["--port", String(port)]);
    await ls(["--url", `http://localhost:${port}`]);
    await ls([], { AGENTD_URL: `http://127.0.0.1:${port}` });
    expect(got.length).toBeGreaterThanOrEqual(3);
    expect(new Set(got)).toEqual(new Set([undefined]));
    await ls(["--port", String(port)], { AGENTD_TOKEN: "given" });
    expect(got.at(-1)).toBe("Bearer given");
    expect((await ls(["--url", daemon.url.replace("127.0.0.1", "localhost")])).exitCode).toBe(0);
  });
});

describe("serve", () => {
  test("refuses a port and a data dir that are taken with a sentence", async () => {
    const other = await tempDir();
    const port = new URL(daemon.url).port;
    const taken = await runCli(["--port", port, "--data-dir", other.path]);
    expect(taken).toMatchObject({
      exitCode: 1,
      stdout: "",
      stderr: expect.stringMatching(/^agentd: [^\n]*port[^\n]*$/),
    });
    const served = await runCli(["serve", "--port", "0", "--data-dir", daemon.dataDir]);
    expect(served).toMatchObject({
      exitCode: 1,
      stdout: "",
      stderr: expect.stringMatching(/^agentd: [^\n]*data dir[^\n]*$/),
    });
    await other.remove();
  });

  test("takes the old form of its command line, says where it listens, and leaves with 0", async () => {
    const own = await tempDir();
    const serving = execa(process.execPath, [agentdPath, "-port", "0", "-runtime=local", "-data-dir", own.path], {
      reject: false,
    });
    let said = "";
    serving.stderr.on("data", (chunk) => {
      said += String(chunk);
    });
    await eventually(() => said.includes("\n"));
    expect(said).toMatch(/^agentd \S+ listening on http:\/\/127\.0\.0\.1:\d+ \(data dir .*, runtime local\)$/m);
    expect(await runCli(["token", "--data-dir", own.path])).toMatchObject({
      exitCode: 0,
      stdout: (await readFile(join(own.path, "token"), "utf8")).trim(),
    });
    serving.kill("SIGTERM");
    expect(await serving).toMatchObject({ exitCode: 0, stdout: "" });
    await own.remove();
  });
});
