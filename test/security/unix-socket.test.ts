import { mkdir, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { execa } from "execa";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Daemon, runCli, startDaemon } from "../support/start-daemon.ts";
import { type TempDir, tempDir } from "../support/temp-dir.ts";

const agents = {
  echo: { command: process.execPath, args: [new URL("../fixtures/agents/echo.mjs", import.meta.url).pathname] },
};

let dir: TempDir;
let path: string;
let daemon: Daemon;
beforeAll(async () => {
  dir = await tempDir();
  path = join(dir.path, "s");
  daemon = await startDaemon({ config: { agents }, args: ["--listen", `unix:${path}`] });
});
afterAll(async () => {
  await daemon?.stop();
  await dir?.remove();
});

const curl = async (...args: string[]) => {
  const { stdout } = await execa("curl", ["-s", "-w", "\n%{http_code}", "--unix-socket", path, ...args]);
  return stdout;
};

test("the socket is the daemon's user's only, and there is no port", async () => {
  const found = await stat(path);
  expect([found.isSocket(), found.mode & 0o777]).toEqual([true, 0o600]);
  expect(daemon.output()).toContain(`listening on unix:${path}`);
  const { stdout } = await execa("ls", ["-l", `/proc/${daemon.pid}/fd`]);
  const inodes = [...stdout.matchAll(/socket:\[(\d+)\]/g)].map(([, inode]) => inode);
  const listening = (
    await Promise.all(["tcp", "tcp6"].map((name) => execa("cat", [`/proc/${daemon.pid}/net/${name}`])))
  )
    .flatMap(({ stdout }) => stdout.split("\n"))
    .map((line) => line.trim().split(/\s+/))
    .filter((cells) => cells[3] === "0A")
    .map((cells) => cells[9]);
  expect(inodes.length).toBeGreaterThan(0);
  expect(listening.filter((inode) => inodes.includes(inode))).toEqual([]);
});

test("it asks for the token, and for a Host that is served", async () => {
  const bearer = ["-H", `Authorization: Bearer ${daemon.token}`];
  expect(await curl("http://localhost/sessions")).toMatch(/"unauthorized".*\n401$/);
  expect(await curl(...bearer, "http://localhost/sessions")).toBe("[]\n200");
  expect(await curl(...bearer, "http://evil.example/sessions")).toMatch(/"forbidden_host".*\n403$/);
});

test("the commands find it by the data dir, and by its name", async () => {
  const env = { AGENTRUNTIME_DATA_DIR: daemon.dataDir };
  // Not the folder itself: with the daemon's socket in it, it is no work dir.
  const workDir = join(dir.path, "work");
  await mkdir(workDir);
  const ran = await runCli(["run", "--agent", "echo", "--work-dir", workDir, "--json", "hello"], env);
  expect([ran.exitCode, ran.stderr]).toEqual([0, expect.not.stringContaining("starting one")]);
  expect(ran.stdout).toContain('"type":"exit"');
  expect((await runCli(["ls", "--all", "--url", `unix:${path}`], env)).stdout).toContain("echo");
  expect((await runCli(["token"], { ...env, AGENTD_URL: `unix:${path}` })).stdout).toBe(daemon.token);
  expect((await runCli(["ls", "--url", "unix:/no/such/socket"], env)).stderr).toContain(
    "Cannot reach a daemon at unix:/no/such",
  );
});

test("what a dead daemon left is taken over; a living one and other files are left alone", async () => {
  await expect(startDaemon({ args: ["--listen", `unix:${path}`] })).rejects.toThrow(/another program does/);
  const file = join(dir.path, "file");
  await writeFile(file, "mine");
  await expect(startDaemon({ args: ["--listen", `unix:${file}`] })).rejects.toThrow(/no socket/);
  await mkdir(join(dir.path, "long"));
  const long = join(dir.path, "long", "x".repeat(100));
  await expect(startDaemon({ args: ["--listen", `unix:${long}`] })).rejects.toThrow(/longer than 107 bytes/);
  await expect(startDaemon({ args: ["--listen", "127.0.0.1:0"] })).rejects.toThrow(/expected unix:PATH/);
  await daemon.kill9();
  const next = await startDaemon({ dataDir: daemon.dataDir, args: ["--listen", `unix:${path}`] });
  expect(await curl("http://localhost/health/live")).toMatch(/200$/);
  await next.stop();
  await expect(stat(path)).rejects.toThrow(/ENOENT/);
});

test("without authentication it is open to its user, and an address that is not loopback stays refused", async () => {
  const open = join(dir.path, "open");
  const other = await startDaemon({ args: ["--no-auth", "--listen", `unix:${open}`] });
  expect(other.output()).toContain("Without authentication: whatever this user runs, agents too, can run commands");
  expect((await execa("curl", ["-s", "--unix-socket", open, "http://localhost/sessions"])).stdout).toBe("[]");
  await other.stop();
  for (const host of ["0.0.0.0", "::", "192.0.2.1"])
    await expect(startDaemon({ args: ["--no-auth", "--host", host] })).rejects.toThrow(/without authentication/);
});
