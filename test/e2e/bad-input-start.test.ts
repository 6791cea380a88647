import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, readdir, readFile, rename, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { eventually } from "../support/eventually.ts";
import { agentdPath, runCli, startDaemon } from "../support/start-daemon.ts";
import { type TempDir, tempDir } from "../support/temp-dir.ts";

let dir: TempDir;
beforeEach(async () => {
  dir = await tempDir();
});
afterEach(async () => {
  await dir.remove();
});

/** Starts a daemon that is to fail: exit code and the sentences it said. */
async function refused(args: readonly string[], env: Record<string, string> = {}) {
  const { exitCode, stdout, stderr } = await runCli(
    ["serve", "--port", "0", "--data-dir", join(dir.path, "data"), ...args],
    env,
  );
  return { exitCode, stdout, lines: stderr.split("\n") };
}

const oneSentence = (pattern: RegExp) => ({ exitCode: 1, stdout: "", lines: [expect.stringMatching(pattern)] });

describe("a daemon that cannot start says one sentence and exits 1:", () => {
  test("the port is taken", async () => {
    // It hears whoever asks what it is, and says nothing.
    const server = createServer((socket) => socket.resume()).listen(0, "127.0.0.1");
    await new Promise((resolve) => server.once("listening", resolve));
    const address = server.address();
    const port = typeof address === "object" && address ? address.port : 0;
    try {
      expect(await refused(["--port", String(port)])).toEqual(
        oneSentence(new RegExp(`Cannot listen on 127\\.0\\.0\\.1:${port}: another program does`)),
      );
      expect(await readdir(join(dir.path, "data"))).not.toContain("daemon.json");
    } finally {
      await new Promise((resolve) => server.close(resolve));
    }
  });

  test("the port is that of an agentd of another data dir", async () => {
    const daemon = await startDaemon();
    try {
      const { port } = new URL(daemon.url);
      const { version } = (await daemon.get("/health")).body;
      expect(await refused(["--port", port])).toEqual(
        oneSentence(
          new RegExp(
            `:${port}: an agentd, version ${version}, of another data dir does\\. Ask it with --port ${port} .*--port 0`,
          ),
        ),
      );
    } finally {
      await daemon.stop();
    }
  });

  test("the data dir is a file, or below one", async () => {
    await writeFile(join(dir.path, "file"), "");
    const nowhere = process.platform === "linux" ? ["/proc/agentd"] : [];
    for (const path of [...["file", "file/data"].map((name) => join(dir.path, name)), ...nowhere]) {
      expect(await refused(["--data-dir", path])).toEqual(
        oneSentence(/Cannot use the data dir ".*": .*Name another with --data-dir/),
      );
    }
  });

  test("the data dir is served already", async () => {
    const daemon = await startDaemon();
    try {
      expect(await refused(["--data-dir", daemon.dataDir])).toEqual(
        oneSentence(new RegExp(`the daemon with pid ${daemon.pid} does at ${daemon.url}`)),
      );
      expect((await daemon.get("/health")).status).toBe(200);
    } finally {
      await daemon.stop();
    }
  });

  test("the host is nobody's here, or open to all without a token", async () => {
    expect(await refused(["--host", "192.0.2.1"])).toEqual(
      oneSentence(/Cannot listen on 192\.0\.2\.1:0: it is no address of this machine\. Choose/),
    );
    expect(await refused(["--host", "nonsense.invalid"])).toEqual(
      oneSentence(/Cannot listen on nonsense\.invalid:0: no address is known for that name\. Choose/),
    );
    expect(await refused(["--host", "0.0.0.0", "--no-auth"])).toEqual(
      oneSentence(/Cannot listen on "0\.0\.0\.0" without authentication/),
    );
  });

  test("the runtime is not there", async () => {
    const socket = join(dir.path, "docker.sock");
    const withDocker = (host: string) => refused(["--runtime", "docker"], { DOCKER_HOST: host });
    expect(await withDocker(`unix://${socket}`)).toEqual(
      oneSentence(/Docker engine at "unix:.*": there is no such socket\. Install Docker Engine and start it/),
    );
    const dead = createServer().listen(socket);
    await new Promise((resolve) => dead.once("listening", resolve));
    // The file stays, as it does when an engine is killed.
    await rename(socket, `${socket}.kept`);
    await new Promise((resolve) => dead.close(resolve));
    expect(await withDocker(`unix://${socket}.kept`)).toEqual(
      oneSentence(/nobody answers on its socket\. Start Docker/),
    );
    expect(await withDocker("tcp://192.0.2.1:2375")).toEqual(
      oneSentence(/an engine on another machine is spoken to by TLS with certificates of both sides only/),
    );
  });

  test("the token is too short", async () => {
    await mkdir(join(dir.path, "data"));
    await writeFile(join(dir.path, "data", "token"), "abc");
    expect(await refused([])).toEqual(oneSentence(/Cannot use the token/));
  });

  test("the configuration is not JSON, or names what it does not know", async () => {
    const path = join(dir.path, "config.json");
    await writeFile(path, "{");
    expect(await refused(["--config", path])).toEqual(
      oneSentence(/Cannot use the configuration file ".*config\.json": it is not JSON/),
    );
    await writeFile(path, '{"lisen":{}}');
    expect(await refused(["--config", path])).toEqual(
      oneSentence(/Cannot use the configuration in ".*config\.json": unknown key "lisen", did you mean "listen"\?$/),
    );
    await writeFile(path, '{"agents":{"a":{"comand":"x"}},"limits":{"ring_bytes":"x","frobnicate":1}}');
    expect(await refused(["--config", path])).toEqual(
      oneSentence(
        /unknown key "comand" in "agents\.a", did you mean "command"\?; "limits\.ring_bytes": .*; unknown key "frobnicate" in "limits"$/,
      ),
    );
    expect(await refused(["--config", join(dir.path, "none.json")])).toEqual(
      oneSentence(/Cannot read the configuration file ".*none\.json": there is none\. Name another with --config/),
    );
  });
});

test("a start that hangs ends with the signal, after some seconds", async () => {
  const data = join(dir.path, "data");
  await mkdir(data, { mode: 0o700 });
  // Reading it waits until somebody writes.
  execFileSync("mkfifo", [join(data, "token")]);
  const child = spawn(process.execPath, [agentdPath, "serve", "--port", "0", "--data-dir", data], { stdio: "ignore" });
  let end: unknown;
  child.once("exit", (code, signal) => {
    end = { code, signal };
  });
  await eventually(() => existsSync(join(data, "daemon.json")), { what: "the start" });
  child.kill("SIGTERM");
  expect(await eventually(() => end, { deadlineMs: 10_000, what: "its end" })).toEqual({
    code: null,
    signal: "SIGTERM",
  });
});

test("of daemons started at once on one data dir, left by a dead one, exactly one serves it", async () => {
  const data = join(dir.path, "data");
  await mkdir(data);
  await writeFile(join(data, "daemon.json"), JSON.stringify({ pid: 2 ** 22 + 1, pid_started: "1", version: "0" }));
  const children: ChildProcess[] = [];
  const codes: (number | null)[] = [];
  for (let i = 0; i < 4; i++) {
    const child = spawn(process.execPath, [agentdPath, "serve", "--port", "0", "--data-dir", data], {
      stdio: "ignore",
    });
    child.once("exit", (code) => codes.push(code));
    children.push(child);
  }
  try {
    await eventually(() => codes.length === 3, { deadlineMs: 60_000, what: "the end of all but one" });
    expect(codes).toEqual([1, 1, 1]);
    const served = await eventually(async () => JSON.parse(await readFile(join(data, "daemon.json"), "utf8")), {
      what: "daemon.json",
    });
    const alive = children.find(({ exitCode }) => exitCode === null);
    await eventually(async () => JSON.parse(await readFile(join(data, "daemon.json"), "utf8")).url);
    expect(served.pid).toBe(alive?.pid);
  } finally {
    for (const child of children) child.kill("SIGTERM");
    await eventually(() => codes.length === 4, { what: "the end of the last" });
  }
  expect(codes[3]).toBe(0);
  expect(await readdir(data)).not.toContain("daemon.json");
});
