/**
 * Another user of this machine, by a real second account: needs root to make one. What is tried is tried on a public file and
 * socket beside it too, so that nothing is out of reach by accident.
 */
import { chmod, mkdir, readdir, readFile, stat, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:net";
import { dirname, join } from "node:path";
import { execa } from "execa";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { claudeBinary } from "../support/claude-binary.ts";
import { results } from "../support/claude-daemon.ts";
import { allProcesses, sessionProcesses } from "../support/processes.ts";
import { readLog } from "../support/read-log.ts";
import { type ScriptedModel, startScriptedModel } from "../support/scripted-model.ts";
import { type Daemon, startDaemon } from "../support/start-daemon.ts";
import { type TempDir, tempDir } from "../support/temp-dir.ts";

const isRoot = process.getuid?.() === 0 && process.platform === "linux";
const account = `agentd-test-${process.pid}`;
const key = "key-of-the-operator-8f2c";
const mcpToken = "token-of-a-tool-server-77aa";
const secretOfRequest = "secret-of-the-request-5b1d";
let other: { uid: number; gid: number };
let dir: TempDir;
let daemon: Daemon;
let onSocket: Daemon;
let model: ScriptedModel;
let publicSocket: Server;
let session: { token: string; socket: string };
let holders: Record<string, number>;

function triedByAnother(): void {
  beforeAll(async () => {
    await execa("useradd", ["--no-create-home", "--shell", "/usr/sbin/nologin", account]);
    const { stdout } = await execa("id", ["-u", account]);
    const group = await execa("id", ["-g", account]);
    other = { uid: Number(stdout), gid: Number(group.stdout) };
    dir = await tempDir();
    model = await startScriptedModel();
    const dataDir = join(dir.path, "data");
    await mkdir(dataDir);
    // As wide as an operator could have left it: what is in it must hold by itself.
    for (const folder of [dataDir, dir.path, dirname(dir.path)]) await chmod(folder, 0o755);
    await writeFile(join(dir.path, "public"), "CAUGHT", { mode: 0o644 });
    publicSocket = createServer((connection) => connection.end("CAUGHT"));
    await new Promise<void>((resolve) => publicSocket.listen(join(dir.path, "public.sock"), resolve));
    await chmod(join(dir.path, "public.sock"), 0o666);
    const claude = { command: claudeBinary(), key_env: "OPERATORS_KEY", base_url: model.url, hide_key: true };
    daemon = await startDaemon({
      config: { agents: { claude, shell: { command: "/bin/sh" } } },
      env: { OPERATORS_KEY: key },
      dataDir,
    });
    onSocket = await startDaemon({ args: ["--listen", `unix:${join(dir.path, "agentd.sock")}`] });
    await openSession();
  }, 120_000);

  afterAll(async () => {
    await onSocket?.stop();
    await daemon?.stop();
    await model?.close();
    await new Promise((resolve) => publicSocket.close(resolve));
    await dir?.remove();
    await execa("userdel", [account]);
  });

  test("reads and connects where it may, and shows that it can", async () => {
    const own = startSleep();
    try {
      expect(await asOther("read", join(dir.path, "public"))).toBe("CAUGHT");
      expect(await asOther("connect", join(dir.path, "public.sock"))).toBe("CAUGHT");
      expect(await asOther("read", `/proc/${own.pid}/environ`)).toContain("CAUGHT");
      expect(await asOther("signal", String(own.pid))).toBe("done");
    } finally {
      own.kill();
    }
  });

  test("cannot connect to the daemon, its sidecars, or their key keepers", async () => {
    const sockets = {
      daemon: join(dir.path, "agentd.sock"),
      sidecar: session.socket,
      keeper: join(dirname(session.socket), "k"),
    };
    for (const [name, path] of Object.entries(sockets)) {
      expect((await stat(path)).isSocket(), name).toBe(true);
      expect(await asOther("connect", path), name).toMatch(/EACCES/);
    }
  });

  test("cannot read the token, logs, records, homes, work dirs or spools, nor the names in them", async () => {
    const { files, folders } = await everythingIn(daemon.dataDir);
    const names = files.map((path) => path.slice(daemon.dataDir.length + 1)).join("\n");
    for (const kind of [
      "token",
      "state.db",
      "audit.ndjson",
      "events.ndjson",
      "session.json",
      "sidecar.json",
      "home/.claude",
      "work/left-here",
    ])
      expect(names).toContain(kind);
    expect(await asOther("read", ...files)).not.toMatch(/CAUGHT|^(?!EACCES).+$/m);
    expect(await asOther("list", ...folders)).not.toMatch(/^(?!EACCES).+$/m);
    expect(await asOther("write", ...files.slice(0, 20), ...folders.map((path) => join(path, "new")))).not.toMatch(
      /^(?!EACCES).+$/m,
    );
  });

  test.each(["environ", "mem", "maps", "cwd/token", "fd", "root/etc/hostname"])(
    "cannot read /proc/PID/%s of a process that holds a secret",
    async (entry) => {
      expect(Object.keys(holders)).toEqual(expect.arrayContaining(["daemon", "sidecar", "agent", "keeper"]));
      for (const [name, pid] of Object.entries(holders))
        expect(await asOther(entry === "fd" ? "list" : "read", `/proc/${pid}/${entry}`), name).toMatch(/EACCES|EPERM/);
    },
  );

  test("cannot signal them", async () => {
    for (const [name, pid] of Object.entries(holders))
      expect(await asOther("signal", String(pid)), name).toMatch(/EPERM/);
  });

  test("finds no secret in any command line, which are for everybody to read", async () => {
    const ours = allProcesses().filter(
      ({ pid }) => Object.values(holders).includes(pid) || sessionProcesses().includes(pid),
    );
    expect(ours.length).toBeGreaterThanOrEqual(4);
    expect(await asOther("read", ...ours.map(({ pid }) => `/proc/${pid}/cmdline`))).toContain("agentd.js");
    const all = allProcesses()
      .map(({ commandLine }) => commandLine)
      .join("\n");
    for (const secret of [daemon.token, session.token, key, mcpToken, secretOfRequest, "a prompt in confidence"])
      expect(all).not.toContain(secret);
  });
}

if (isRoot) describe("another user of this machine", triedByAnother);
else
  test("a second account can only be made by root: what another user cannot do was LEFT OUT", () => {
    expect(isRoot).toBe(false);
  });

/** A session of the real Claude Code with everything secret that there is, and one that has left a file. */
async function openSession(): Promise<void> {
  const { body: left } = await daemon.post("/sessions", { agent: "shell", prompt: "echo CAUGHT > left-here" });
  await readLog(daemon, left.session_id);
  const { status, body, text } = await daemon.post("/sessions", {
    agent: "claude",
    interactive: true,
    keep_raw: true,
    agent_home: "private",
    prompt: "a prompt in confidence",
    env: { SERVICE_TOKEN: secretOfRequest },
    mcp_servers: [{ name: "lab", url: "http://127.0.0.1:9/mcp", token: mcpToken }],
  });
  if (status !== 201) throw new Error(`no session: ${text}`);
  const id = String(body.session_id);
  await readLog(daemon, id, { enough: (events) => results(events).length > 0, deadlineMs: 90_000 });
  const folder = join(daemon.dataDir, "sessions", id);
  const { sidecar: address } = JSON.parse(await readFile(join(folder, "session.json"), "utf8"));
  session = { token: address.token, socket: address.socket_path };
  const { pid } = JSON.parse(await readFile(join(folder, "sidecar.json"), "utf8"));
  const keeper = allProcesses().find(({ commandLine, environment }) =>
    `${commandLine} ${environment}`.includes("keeper.js"),
  );
  holders = { daemon: daemon.pid, sidecar: pid, agent: sessionProcesses(id)[0] ?? 0, keeper: keeper?.pid ?? 0 };
}

/** What the other user got of each, a line each: what was there, `done`, or why not. */
async function asOther(act: "read" | "list" | "write" | "connect" | "signal", ...subjects: string[]): Promise<string> {
  const { stdout } = await execa(process.execPath, ["-e", tries, act, ...subjects], {
    ...other,
    cwd: "/",
    env: {},
    extendEnv: false,
  });
  return stdout;
}

const tries = `
const { appendFileSync, readFileSync, readdirSync } = require("node:fs");
const [act, ...subjects] = process.argv.slice(1);
const connect = (path) => new Promise((resolve, reject) => {
  const socket = require("node:net").connect(path).on("error", reject);
  socket.on("data", (data) => resolve(String(data))).on("end", () => resolve("closed"));
});
const acts = {
  read: (path) => readFileSync(path, "latin1"),
  list: (path) => readdirSync(path).join(" "),
  write: (path) => (appendFileSync(path, "x"), "done"),
  signal: (pid) => (process.kill(Number(pid), 0), "done"),
  connect,
};
(async () => {
  for (const subject of subjects)
    console.log(await Promise.resolve().then(() => acts[act](subject)).catch(({ code }) => code));
})();
`;

async function everythingIn(folder: string): Promise<{ files: string[]; folders: string[] }> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const paths = (wanted: (typeof entries)[number][]) => wanted.map(({ parentPath, name }) => join(parentPath, name));
  return {
    // The configuration is the operator's own file, here the test's.
    files: paths(entries.filter((entry) => entry.isFile() && entry.name !== "config-of-test.json")),
    folders: paths(entries.filter((entry) => entry.isDirectory())),
  };
}

/** A process of the other user's own. */
function startSleep() {
  return execa("sleep", ["60"], { ...other, cwd: "/", env: { OWN: "CAUGHT" }, extendEnv: false, reject: false });
}
