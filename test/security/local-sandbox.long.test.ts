/**
 * `--local-sandbox`: what an agent of a local session cannot reach, each tried without the sandbox too, where it can; that
 * the real agents work in it; and that nothing outlives a session.
 */
import { readFileSync } from "node:fs";
import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:net";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { sandboxSupport } from "../../src/runtime/bubblewrap.ts";
import { claudeBinary } from "../support/claude-binary.ts";
import { ofType, results } from "../support/claude-daemon.ts";
import { codexBinary, codexModel } from "../support/codex-daemon.ts";
import { eventually } from "../support/eventually.ts";
import { opencodeBinary } from "../support/opencode-daemon.ts";
import { isAlive, sessionProcesses } from "../support/processes.ts";
import { readLog } from "../support/read-log.ts";
import { type ScriptedModel, startScriptedModel } from "../support/scripted-model.ts";
import { type ScriptedResponses, startScriptedResponses } from "../support/scripted-responses.ts";
import { type Daemon, runCli, startDaemon } from "../support/start-daemon.ts";
import { type TempDir, tempDir } from "../support/temp-dir.ts";

const support = await sandboxSupport(process.env["PATH"]);
let messages: ScriptedModel;
let responses: ScriptedResponses;
let dir: TempDir;
let sandboxed: Daemon;
/** The same twice: with a sandbox and without. */
let inside: World;
let outside: World;
let somebody: Server;

interface World {
  daemon: Daemon;
  /** Folder of another session, which lives. */
  other: string;
}

interface Scene extends World {
  /** A Unix socket that says CAUGHT to whoever connects. */
  socket: string;
}

const attempts: [name: string, script: (scene: Scene) => string][] = [
  ["the daemon's token", ({ daemon }) => `test -s ${daemon.dataDir}/token && echo CAUGHT`],
  ["the data dir", ({ daemon }) => `ls ${daemon.dataDir} | grep -q state.db && echo CAUGHT`],
  ["the configuration", ({ daemon }) => `grep -q key_env ${daemon.dataDir}/config-of-test.json && echo CAUGHT`],
  ["another session's log", ({ other }) => `grep -q user_message ${other}/events.ndjson && echo CAUGHT`],
  [
    "another session's record, which has its sidecar's token",
    ({ other }) => `grep -q token ${other}/session.json && echo CAUGHT`,
  ],
  ["another session's work dir", ({ other }) => `cat ${other}/work/left-here`],
  ["writing into another session's work dir", ({ other }) => `echo x > ${other}/work/new && echo CAUGHT`],
  ["the sockets of sidecars", ({ daemon }) => `test -n "$(find ${daemon.dataDir}/run -type s)" && echo CAUGHT`],
  ["a Unix socket of somebody's", ({ socket }) => `node -e 'require("net").connect("${socket}").pipe(process.stdout)'`],
  ["a key in the person's home", () => `cat ${dir.path}/home/.ssh/id_ed25519`],
  ["another home", () => `cat ${dir.path}/other-home/notes`],
  ["the daemon's environment", ({ daemon }) => `tr '\\0' '\\n' < /proc/${daemon.pid}/environ | grep OPERATORS_KEY`],
  [
    "… by a process of its own that shows all",
    ({ daemon }) =>
      `cat /proc/*/environ | tr '\\0' '\\n' | grep OPERATORS_KEY; test -d /proc/${daemon.pid}/fd && echo CAUGHT`,
  ],
  ["the daemon's files by its root", ({ daemon }) => `cat /proc/${daemon.pid}/root${dir.path}/other-home/notes`],
  ["signalling the daemon", ({ daemon }) => `kill -0 ${daemon.pid} && echo CAUGHT`],
  [
    "leaving a file in /tmp for others",
    () => `echo CAUGHT > ${dir.path}/other-home/left && cat ${dir.path}/other-home/left`,
  ],
  ["changing what it may read", () => `echo x > ${dir.path}/shared/new && echo CAUGHT`],
];

function triedInSandbox(): void {
  beforeAll(async () => {
    messages = await startScriptedModel();
    responses = await startScriptedResponses();
    dir = await tempDir();
    for (const name of ["home", "home/.ssh", "other-home", "work", "shared", "listed", "tools", "tools/bin"])
      await mkdir(join(dir.path, name));
    await writeFile(join(dir.path, "home/.ssh/id_ed25519"), "CAUGHT");
    await writeFile(join(dir.path, "other-home/notes"), "CAUGHT");
    await writeFile(join(dir.path, "shared/list"), "for everybody");
    const shell = { command: "/bin/sh" };
    const agents = {
      shell,
      "private-shell": { ...shell, key_env: "OPERATORS_KEY", env: { ANTHROPIC_API_KEY: "makes-a-private-home" } },
      claude: { command: claudeBinary(), key_env: "OPERATORS_KEY", base_url: messages.url },
      codex: { command: codexBinary(), key_env: "OPERATORS_KEY", base_url: responses.url },
      opencode: { command: opencodeBinary(), key_env: "OPERATORS_KEY", base_url: messages.url },
    };
    const PATH = `${process.env["PATH"]}:${join(dir.path, "tools/bin")}`;
    const env = { HOME: join(dir.path, "home"), OPERATORS_KEY: "key-of-the-operator-CAUGHT", PATH };
    const lists = { read: [join(dir.path, "shared")], write: [join(dir.path, "listed")] };
    const open = await startDaemon({ config: { agents }, env });
    sandboxed = await startDaemon({ config: { agents, local_sandbox: lists }, args: ["--local-sandbox"], env });
    outside = { daemon: open, other: await otherSession(open) };
    inside = { daemon: sandboxed, other: await otherSession(sandboxed) };
    somebody = createServer((connection) => connection.end("CAUGHT\n"));
    await new Promise<void>((resolve) => somebody.listen(join(dir.path, "somebody.sock"), resolve));
  });

  afterAll(async () => {
    await sandboxed.stop();
    await outside.daemon.stop();
    await new Promise((resolve) => somebody.close(resolve));
    await messages.close();
    await responses.close();
    await dir.remove();
  });

  describe("an agent in the sandbox does not reach", () => {
    test.each(attempts)("%s", async (_name, script) => {
      expect(await tried(outside, script)).toContain("CAUGHT");
      expect(await tried(inside, script)).not.toContain("CAUGHT");
    });

    test.runIf(process.getuid?.() === 0)("what only root may read, nor does it have root's powers", async () => {
      const script =
        "test -s /etc/shadow && echo CAUGHT; chown 1:1 own 2>/dev/null && echo CAUGHT; touch own; mount -t tmpfs none /mnt 2>/dev/null && echo CAUGHT";
      expect(await tried(outside, () => script)).toContain("CAUGHT");
      expect(await tried(inside, () => `touch own; ${script}`)).not.toContain("CAUGHT");
    });

    test("any file of /etc that others cannot read", async () => {
      // By its size: a file that is not root's is not read outside either.
      const script = 'test -n "$(find /etc -type f ! -perm -o=r -size +0 2>/dev/null | head -1)" && echo CAUGHT';
      expect(await tried(outside, () => script)).toContain("CAUGHT");
      expect(await tried(inside, () => script)).not.toContain("CAUGHT");
    });

    test.runIf(process.getuid?.() === 0)(
      "a folder of /etc that is closed to others, and a private file in an open one",
      async () => {
        const [closed, open] = [await mkdtemp("/etc/agentruntime-closed-"), await mkdtemp("/etc/agentruntime-open-")];
        onTestFinished(async () => {
          for (const folder of [closed, open]) await rm(folder, { recursive: true });
        });
        await chmod(open, 0o755);
        await writeFile(join(closed, "key"), "CAUGHT");
        await writeFile(join(open, "key"), "CAUGHT", { mode: 0o640 });
        await writeFile(join(open, "list"), "for everybody");
        for (const folder of [closed, open]) {
          expect(await tried(outside, () => `cat ${folder}/key`)).toContain("CAUGHT");
          expect(await tried(inside, () => `cat ${folder}/key`)).not.toContain("CAUGHT");
        }
        expect(await tried(inside, () => `cat ${open}/list`)).toContain("for everybody");
      },
    );
  });

  describe("what an agent in the sandbox would leave for others", () => {
    test("programs: it is given no work dir in which the daemon looks for some", async () => {
      for (const folder of ["tools", "tools/bin"]) {
        const asked = { agent: "shell", work_dir: join(dir.path, folder), prompt: "true" };
        const { status, body } = await sandboxed.post("/sessions", asked);
        expect([status, body.error, body.message]).toEqual([
          400,
          "invalid_work_dir",
          expect.stringContaining("programs that agentd runs outside"),
        ]);
        expect((await outside.daemon.post("/sessions", asked)).status).toBe(201);
      }
    });

    test.each(["claude", "codex", "opencode"])(
      "settings: %s gets no home of a person's, unless the operator lets it",
      async (agent) => {
        const asked = { agent, agent_home: "user", interactive: true };
        const { status, body } = await sandboxed.post("/sessions", asked);
        expect([status, body.error]).toEqual([403, "not_permitted"]);
        expect(body.message).toMatch(/agent_home "private".*local_sandbox\.user_home/);
      },
    );

    test("an operator who lets it is obeyed, and an agent without settings of its own needs no permission", async () => {
      const { body } = await sandboxed.post("/sessions", { agent: "shell", agent_home: "user", prompt: "true" });
      expect((await readLog(sandboxed, body.session_id)).at(-1)?.data).toMatchObject({ code: 0 });
      const settings = join(dir.path, "home/.claude");
      await mkdir(settings, { recursive: true });
      const stand = { harness: "claude", command: join(import.meta.dirname, "../fixtures/agents/claude-counts.mjs") };
      const lenient = await startDaemon({
        config: {
          agents: { stand },
          local_sandbox: { enabled: true, user_home: true, read: [join(import.meta.dirname, "../fixtures")] },
        },
        env: { HOME: join(dir.path, "home") },
      });
      onTestFinished(async () => {
        await lenient.stop();
      });
      const asked = { agent: "stand", agent_home: "user", prompt: "steps=1 words=1 pause=0" };
      const { status, body: made } = await lenient.post("/sessions", asked);
      expect(status).toBe(201);
      expect(results(await readLog(lenient, made.session_id))).toEqual([{ turn: "t1", status: "success" }]);
    });
  });

  describe("an agent in the sandbox", () => {
    test("works in its work dir, its temporary folder and its home, and reads what is listed", async () => {
      const work = join(dir.path, "work");
      const script = [
        "pwd; echo made > made; cat made; echo $HOME | grep -c /sessions/",
        'echo t > "$TMPDIR/t" && cat /tmp/t /var/tmp/t; echo h > "$HOME/h" && cat "$HOME/h"',
        `cat ${dir.path}/shared/list; echo; echo back > ${dir.path}/listed/back; ls /proc | grep -c '^[0-9]'`,
      ].join("\n");
      const { body } = await sandboxed.post("/sessions", { agent: "private-shell", work_dir: work, prompt: script });
      const lines = ofType(await readLog(sandboxed, body.session_id), "stdout").map(({ text }) => text);
      expect(lines.slice(0, -1)).toEqual([work, "made", "1", "t", "t", "h", "for everybody"]);
      expect(Number(lines.at(-1))).toBeLessThan(8);
      expect(await readFile(join(work, "made"), "utf8")).toBe("made\n");
      expect(await readFile(join(dir.path, "listed/back"), "utf8")).toBe("back\n");
    });

    test("is interrupted and ends as without it", async () => {
      const { body } = await sandboxed.post("/sessions", {
        agent: "shell",
        prompt: "trap 'echo interrupted; exit 7' INT; echo ready; while :; do sleep 0.05; done",
      });
      const id = String(body.session_id);
      await readLog(sandboxed, id, { enough: (events) => ofType(events, "stdout").length === 1 });
      await sandboxed.post(`/sessions/${id}/interrupt`);
      const events = await readLog(sandboxed, id);
      expect(ofType(events, "stdout").at(-1)).toEqual({ text: "interrupted" });
      expect(events.at(-1)?.data).toMatchObject({ code: 7 });
    });

    test("dies of a signal as without it", async () => {
      const { body } = await sandboxed.post("/sessions", { agent: "shell", prompt: "kill -SEGV $$" });
      expect((await readLog(sandboxed, body.session_id)).at(-1)?.data).toMatchObject({ code: 139, signal: "SIGSEGV" });
    });

    test("whose program is not there is reported as without it", async () => {
      const nobody = await startDaemon({
        config: { agents: { nobody: { command: "/nowhere/agent" } } },
        args: ["--local-sandbox"],
      });
      onTestFinished(async () => {
        await nobody.stop();
      });
      const { body } = await nobody.post("/sessions", { agent: "nobody", prompt: "x" });
      const events = await readLog(nobody, body.session_id);
      expect(ofType(events, "error")[0]).toMatchObject({ code: "agent_not_found" });
      expect(ofType(events, "error")[0]?.["message"]).toContain("/nowhere/agent");
    });

    test.each(["DELETE", "the death of its sidecar"])("leaves nothing behind after %s", async (way) => {
      const { body } = await sandboxed.post("/sessions", {
        agent: "shell",
        interactive: true,
        prompt: "trap '' TERM INT; (setsid sleep 600 &); env -i setsid sleep 600 & echo ready",
      });
      const id = String(body.session_id);
      await readLog(sandboxed, id, { enough: (events) => ofType(events, "stdout").length === 1 });
      const pids = sessionProcesses(id);
      expect(pids.length).toBeGreaterThan(3);
      if (way === "DELETE") await sandboxed.delete(`/sessions/${id}`);
      else process.kill(sidecarOf(id), "SIGKILL");
      await eventually(() => !pids.some(isAlive), { what: "the end of its processes" });
      if (way !== "DELETE") expect((await readLog(sandboxed, id)).at(-1)?.type).toBe("exit");
    });
  });

  describe.each(["claude", "codex", "opencode"])("%s in the sandbox", (agent) => {
    test("works on files of its work dir, and does not see the token", { timeout: 120_000 }, async () => {
      const work = join(dir.path, "work");
      const command = `echo by-${agent} > by-agent; test -e ${sandboxed.dataDir}/token && echo CAUGHT; echo done`;
      const model = agent === "codex" ? { model: codexModel } : {};
      const { body } = await sandboxed.post("/sessions", {
        ...{ agent, work_dir: work, interactive: true, prompt: `[[bash:${command}]]` },
        ...model,
      });
      const id = String(body.session_id);
      const events = await readLog(sandboxed, id, { enough: (seen) => results(seen).length > 0, deadlineMs: 90_000 });
      expect(results(events)).toEqual([{ turn: "t1", status: "success" }]);
      expect(String(ofType(events, "tool_result").at(-1)?.["output"])).toMatch(/^done\s*$/m);
      expect(JSON.stringify(ofType(events, "tool_result"))).not.toContain("CAUGHT");
      expect(readFileSync(join(work, "by-agent"), "utf8")).toBe(`by-${agent}\n`);
      await sandboxed.delete(`/sessions/${id}`);
      await eventually(() => sessionProcesses(id).length === 0, { what: "the end of its processes" });
    });
  });

  test("where there is no bubblewrap the daemon does not start, and says what to install; doctor says it too", async () => {
    const bin = join(dir.path, "bin");
    await mkdir(bin);
    const starting = startDaemon({ args: ["--local-sandbox"], env: { PATH: bin } });
    await expect(starting).rejects.toThrow(/bwrap is in no folder of PATH .* Install bubblewrap/);
    const { stdout } = await runCli(["doctor", "--json", "--data-dir", join(dir.path, "none")], { PATH: bin });
    expect(stdout).toContain("Install bubblewrap");
    const { stdout: here } = await runCli(["doctor", "--json", "--data-dir", join(dir.path, "none")]);
    expect(here).toMatch(/bubblewrap [\d.]+ works here/);
  });
}

if ("fault" in support)
  test("without bubblewrap no agent can be kept apart: what the sandbox holds was LEFT OUT", () => {
    expect(support.fault).not.toBe("");
  });
else describe("--local-sandbox", triedInSandbox);

/** A session that lives, and has left a file in its work dir. */
async function otherSession(daemon: Daemon): Promise<string> {
  const { body } = await daemon.post("/sessions", {
    agent: "shell",
    interactive: true,
    prompt: "echo CAUGHT > left-here; echo ready",
  });
  await readLog(daemon, body.session_id, { enough: (events) => ofType(events, "stdout").length === 1 });
  return join(daemon.dataDir, "sessions", body.session_id);
}

/** What a shell printed that ran the script in a session of its own. */
async function tried({ daemon, other }: World, script: (scene: Scene) => string): Promise<string> {
  const prompt = `${script({ daemon, other, socket: join(dir.path, "somebody.sock") })}; true`;
  const { body } = await daemon.post("/sessions", { agent: "shell", prompt });
  const lines = ofType(await readLog(daemon, body.session_id), "stdout").map(({ text }) => text);
  return lines.join("\n");
}

function sidecarOf(id: string): number {
  return JSON.parse(readFileSync(join(sandboxed.dataDir, "sessions", id, "sidecar.json"), "utf8")).pid;
}
