/** `agentd completion`: what the scripts make of a Tab, in the shells that are there. */
import { chmod, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { execa } from "execa";
import { afterAll, beforeAll, expect, test } from "vitest";
import { inPath } from "../support/in-path.ts";
import { agentdPath, type Daemon, runCli, startDaemon } from "../support/start-daemon.ts";
import { type TempDir, tempDir } from "../support/temp-dir.ts";

const [first, second] = ["aaaa1111-0000-4000-8000-000000000001", "bbbb2222-0000-4000-8000-000000000002"];

let dir: TempDir;
let daemon: Daemon;
beforeAll(async () => {
  dir = await tempDir();
  const program = join(dir.path, "agentd");
  await writeFile(program, `#!/bin/sh\nexec "${process.execPath}" "${agentdPath}" "$@"\n`);
  await chmod(program, 0o755);
  const agents = { cat: { command: "cat", harness: "generic" } };
  daemon = await startDaemon({ config: { agents } });
  const create = async (more: object) =>
    expect((await daemon.post("/sessions", { agent: "cat", interactive: true, ...more })).status).toBe(201);
  await create({ session_id: first, name: "review" });
  await create({ session_id: second });
});
afterAll(async () => {
  await daemon?.stop();
  await dir?.remove();
});

/** A shell with this program, and the daemon in its environment. */
async function inShell(shell: string, args: readonly string[], script: string): Promise<string[]> {
  const { stdout } = await execa(shell, [...args, "-c", script], {
    cwd: dir.path,
    env: {
      PATH: `${dir.path}:${process.env["PATH"]}`,
      AGENTD_URL: daemon.url,
      AGENTD_TOKEN: daemon.token,
      HOME: dir.path,
    },
    stdin: "ignore",
  });
  return stdout.split("\n").filter((line) => line !== "");
}

const inBash = (...words: string[]) =>
  inShell(
    "bash",
    ["--norc"],
    `source <(agentd completion bash); COMP_WORDS=(agentd ${words.map((word) => `'${word}'`).join(" ")}); COMP_CWORD=${words.length}; _agentd; printf '%s\\n' "\${COMPREPLY[@]}"`,
  );

test("bash completes commands, options, values, files and sessions", async () => {
  expect(await inBash("comp")).toEqual(["completion"]);
  expect(await inBash("export", "--fo")).toEqual(["--format"]);
  expect(await inBash("ls", "--state", "=", "f")).toEqual(["failed"]);
  expect(await inBash("serve", "--config", "agen")).toEqual(["agentd"]);
  expect(await inBash("attach", "")).toEqual(expect.arrayContaining(["review", first, second]));
  expect(await inBash("attach", "")).toHaveLength(3);
  expect(await inBash("attach", "rev")).toEqual(["review"]);
});

test("a daemon that does not answer keeps nobody waiting, and one that is not there is no mistake", async () => {
  const silent = createServer(() => {});
  await new Promise<void>((resolve) => silent.listen(0, "127.0.0.1", resolve));
  const { port } = silent.address() as AddressInfo;
  try {
    for (const at of [port, 9])
      expect(await runCli(["complete", "--", "attach", "--url", `http://127.0.0.1:${at}`, ""])).toMatchObject({
        exitCode: 0,
        stdout: "",
        stderr: "",
      });
  } finally {
    silent.closeAllConnections();
    silent.close();
  }
});

test.skipIf(inPath(["fish"]) === undefined)("fish completes the same", async () => {
  const found = await inShell("fish", [], "agentd completion fish | source; complete -C 'agentd attach rev'");
  expect(found).toEqual(["review\tcat, running"]);
});

test.skipIf(inPath(["zsh"]) === undefined)("zsh is given the same with descriptions", async () => {
  const script = `compdef() { :; }; _describe() { printf '%s\\n' "\${candidates[@]}"; }
    source <(agentd completion zsh); words=(agentd attach rev); CURRENT=3; _agentd`;
  expect(await inShell("zsh", ["-f"], script)).toEqual(["review:cat, running"]);
});

test("another shell is refused in a sentence", async () => {
  expect(await runCli(["completion", "tcsh"])).toMatchObject({ exitCode: 2, stdout: "" });
});
