/**
 * The README's lines for curl and websocat, as they stand there and as a whole, with a header and under --no-auth: against the real Claude
 * Code with a scripted model, as the demo has it. Where there is no websocat, a program with its options sends and shows the same frames.
 */
import { readFileSync } from "node:fs";
import { chmod, mkdir, readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { execa } from "execa";
import { expect, onTestFinished, test } from "vitest";
import { startClaudeDaemon } from "../support/claude-daemon.ts";
import { inPath } from "../support/in-path.ts";
import { agentdPath, type Daemon, startDaemon } from "../support/start-daemon.ts";
import { tempDir } from "../support/temp-dir.ts";

const readme = readFileSync(new URL("../../README.md", import.meta.url), "utf8");
const section = readme.slice(readme.indexOf("\n## The API\n"), readme.indexOf("\n## Events\n"));
const [withHeader = "", withoutAuth = ""] = [...section.matchAll(/```sh\n([\s\S]*?)```/g)].map(([, lines]) => lines);
const fixture = (name: string) => fileURLToPath(new URL(`../fixtures/${name}`, import.meta.url));

interface Ran {
  /** Of each request but those that watch, in their order. */
  statuses: number[];
  stdout: string;
  /** In the folder where it ran, at its end. */
  files: string[];
}

/** Runs lines of the README against a daemon, in a shell that has the programs which they name. */
async function run(daemon: Daemon, lines: string, before = ""): Promise<Ran> {
  const dir = await tempDir();
  const bin = join(dir.path, "bin");
  await mkdir(bin);
  const program = async (name: string, text: string) => {
    await writeFile(join(bin, name), `#!/bin/sh\n${text}\n`);
    await chmod(join(bin, name), 0o755);
  };
  await program("agentd", `exec "${process.execPath}" "${agentdPath}" "$@"`);
  const curl = inPath(["curl"]);
  const watching = `case "$*" in */events*) exec "${curl}" "$@" ;; esac`;
  await program("curl", `${watching}\nexec "${curl}" -m 30 -w '%{stderr}STATUS %{http_code}\\n' "$@"`);
  if (inPath(["websocat"]) === undefined)
    await program("websocat", `exec "${process.execPath}" "${fixture("programs/websocat.mjs")}" "$@"`);
  const script = `${before}\n${lines}`.replaceAll("://127.0.0.1:8090", daemon.url.replace("http", ""));
  const { stdout, stderr } = await execa("bash", ["-c", script], {
    cwd: dir.path,
    env: { PATH: `${bin}:${process.env["PATH"]}`, AGENTD_URL: daemon.url, AGENTD_TOKEN: daemon.token },
    input: '{"type":"prompt","data":"typed into websocat"}\n',
    reject: false,
    timeout: 50_000,
  });
  const files = await readdir(dir.path);
  await dir.remove();
  return { files, statuses: [...stderr.matchAll(/^STATUS (\d+)$/gm)].map(([, status]) => Number(status)), stdout };
}

const agents = { claude: { harness: "claude", command: fixture("agents/claude-counts.mjs") } };

test("with the token in a header, pasted as a whole", async () => {
  const { daemon, stop } = await startClaudeDaemon();
  onTestFinished(stop);
  const { statuses, stdout, files } = await run(daemon, withHeader);
  // Created, shown, its log, shown, answered, prompt, steer, interrupt, deleted.
  expect(statuses, stdout).toEqual([201, 200, 200, 200, 200, 202, 202, 202, 200]);
  expect(stdout).toMatch(/^data: \{"type":"input_required"/m);
  expect(stdout).toMatch(/^data: \{"type":"result".*"status":"success"/m);
  expect(files).toContain("hello.txt");
  expect(stdout).toContain('{"type":"connected"');
  expect(stdout).toContain("You said: And now?");
});

test("without one under --no-auth", async () => {
  const daemon = await startDaemon({ config: { agents }, args: ["--no-auth"] });
  const { body } = await daemon.post("/sessions", { agent: "claude", interactive: true });
  const { statuses, stdout } = await run(daemon, withoutAuth, `ID=${body.session_id}`);
  expect(statuses).toEqual([200]);
  expect(stdout).toContain(`"session_id":"${body.session_id}"`);
  expect(stdout).toContain("typed into websocat");
  await daemon.stop();
});
