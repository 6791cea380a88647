/** What a request or the operator adds to a session in a container: hooks, memory, a conversation to go on with, a terminal. */
import { chmod, mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { hasResults, ofType, results } from "../support/claude-daemon.ts";
import { type DockerShell, startDockerShell } from "../support/docker-shell.ts";
import { agentdContainers } from "../support/docker-world.ts";
import { eventually } from "../support/eventually.ts";
import { readLog } from "../support/read-log.ts";
import { type ScriptedModel, startScriptedModel } from "../support/scripted-model.ts";
import { type TempDir, tempDir } from "../support/temp-dir.ts";

const deadlineMs = 120_000;
let shell: DockerShell;
let model: ScriptedModel;
let folder: TempDir;

beforeAll(async () => {
  model = await startScriptedModel();
  folder = await tempDir();
  await chmod(folder.path, 0o755);
  const hooks = join(folder.path, "hooks");
  await mkdir(hooks);
  await chmod(hooks, 0o755);
  for (const [name, script] of Object.entries({
    pre_init: 'echo "pre $SESSION_ID in $(pwd) as $(id -u)"; touch /workspace/made-by-pre',
    post_init: "ls /workspace; echo post",
    sidecar: "echo beside; exec sleep 600",
    post_run: 'echo "over with $AGENT_EXIT_CODE"',
    slow: "sleep 600",
  })) {
    await writeFile(join(hooks, name), `#!/bin/sh\n${script}\n`);
    await chmod(join(hooks, name), 0o755);
  }
  const hook = (name: string) => [`/opt/hooks/${name}`];
  const four = {
    pre_init: hook("pre_init"),
    post_init: hook("post_init"),
    sidecar: hook("sidecar"),
    post_run: hook("post_run"),
  };
  shell = await startDockerShell(["unused.test"], {
    config: {
      agents: {
        sh: { command: "bash", harness: "generic" },
        hooked: { command: "bash", harness: "generic", hooks: four },
        asker: {
          command: "python3",
          args: ["-c", "import sys; print(sys.stdout.isatty(), input()); sys.exit(7)"],
          harness: "generic",
        },
        late: { command: "bash", harness: "generic", hooks: { pre_init: hook("slow") } },
        claude: { key_env: "OPERATORS_KEY", hide_key: true, base_url: model.url },
      },
      limits: { hook_timeout: "3s" },
    },
    settings: { mounts: [{ host: hooks, container: "/opt/hooks" }] },
    env: { OPERATORS_KEY: "any" },
  });
}, deadlineMs);

afterAll(async () => {
  await shell?.stop();
  await model?.close();
  await folder?.remove();
}, deadlineMs);

test("all four hooks run in the container, from the operator's mount, which its sessions cannot change", async () => {
  const { events, lines, id } = await shell.run("touch /opt/hooks/x 2>&1; echo agent", { agent: "hooked" });
  expect(lines).toEqual(["touch: cannot touch '/opt/hooks/x': Read-only file system", "agent"]);
  const output = ofType(events, "system")
    .filter(({ subtype, event }) => subtype === "hook" && event === "output")
    .map(({ hook, text }) => `${hook}: ${text}`);
  expect(output).toContain(`pre_init: pre ${id} in /workspace as 1000`);
  expect(output).toContain("post_init: made-by-pre");
  expect(output).toContain("sidecar: beside");
  expect(output.at(-1)).toBe("post_run: over with 0");
});

test("a hook that takes longer than hook_timeout is ended, and the agent is not started", async () => {
  const { events, lines } = await shell.run("echo agent", { agent: "late" });
  expect(lines).toEqual([]);
  expect(JSON.stringify(events)).toContain("it did not end within 3 s");
  expect(events.at(-1)?.data["code"]).not.toBe(0);
});

test("memory_path is in what Claude Code tells its model, and cannot be changed from inside", {
  timeout: deadlineMs,
}, async () => {
  const memory = join(folder.path, "memory");
  await mkdir(memory, { recursive: true });
  await chmod(memory, 0o755);
  await writeFile(join(memory, "MEMORY.md"), "- The launch word of this project is PERIWINKLE-42.\n", { mode: 0o644 });
  const prompt = "[[bash:echo x > ~/.claude/projects/-workspace/memory/MEMORY.md]]";
  const id = await claude({ prompt, claude: { memory_path: memory } });
  const events = await turn(id, 1);
  expect(JSON.stringify(model.requests.at(-1)?.body)).toContain("PERIWINKLE-42");
  expect(JSON.stringify(ofType(events, "tool_result"))).toContain("Read-only file system");
  await shell.daemon.delete(`/sessions/${id}`);
  const without = await claude({ prompt: "hello" });
  await turn(without, 1);
  expect(JSON.stringify(model.requests.at(-1)?.body)).not.toContain("PERIWINKLE-42");
  await shell.daemon.delete(`/sessions/${without}`);
});

test("a conversation goes on in a new container", { timeout: deadlineMs }, async () => {
  const first = await claude({ prompt: "[[say:remember heliotrope]]", persist_session: true });
  await turn(first, 1);
  await shell.daemon.post(`/sessions/${first}/stop`, {});
  await shell.log(first);
  await eventually(async () => (await agentdContainers(first)).length === 0, { what: "the end of its container" });
  const second = await claude({ prompt: "and now?", resume_session: first, persist_session: true });
  expect(results(await turn(second, 1))).toEqual([{ turn: "t1", status: "success" }]);
  expect(JSON.stringify(model.requests.at(-1)?.body.messages)).toContain("remember heliotrope");
  for (const id of [second, first]) await shell.daemon.delete(`/sessions/${id}`);
});

test("a plain command has a terminal when it asks for one; what is typed is not repeated", async () => {
  const ask = { agent: "asker", prompt: "a 'quoted' word" };
  const without = await shell.run("", ask);
  expect(without.lines).toEqual(["False a 'quoted' word"]);
  const { lines, events } = await shell.run("", { ...ask, pty: true });
  expect(lines).toEqual(["True a 'quoted' word"]);
  expect(events.at(-1)?.data["code"]).toBe(7);
  const refused = await shell.daemon.post("/sessions", { agent: "claude", prompt: "hello", pty: true });
  expect([refused.status, refused.body.error]).toEqual([400, "unsupported_by_agent"]);
});

async function claude(request: Record<string, unknown>): Promise<string> {
  const { status, body, text } = await shell.daemon.post("/sessions", {
    agent: "claude",
    interactive: true,
    ...request,
  });
  if (status !== 201) throw new Error(`no session: ${status} ${text}`);
  return String(body.session_id);
}

function turn(id: string, count: number) {
  return readLog(shell.daemon, id, { enough: hasResults(count), deadlineMs });
}
