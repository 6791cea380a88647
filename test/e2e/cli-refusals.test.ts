/** What a command says when it is refused: what was found, and what to type about it. */
import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, onTestFinished, test } from "vitest";
import { eventually } from "../support/eventually.ts";
import { runCli, startDaemon } from "../support/start-daemon.ts";
import { tempDir } from "../support/temp-dir.ts";

test("a wrong token is told as AGENTD_TOKEN's", async () => {
  const daemon = await startDaemon();
  onTestFinished(async () => void (await daemon.stop()));
  const refused = await runCli(["ls", "--data-dir", daemon.dataDir], { AGENTD_TOKEN: "bad" });
  expect(refused).toMatchObject({ exitCode: 1, stdout: "" });
  expect(refused.stderr).toBe(
    `agentd: The token sent is not valid: it was AGENTD_TOKEN's. Set AGENTD_TOKEN to a token of that daemon: where it runs, "env -u AGENTD_TOKEN agentd token" prints one; unset, the data dir's is sent to its own daemon`,
  );
});

test("what a session cannot be told is said with the command that can", async () => {
  const echo = fileURLToPath(new URL("../fixtures/agents/echo.mjs", import.meta.url));
  const daemon = await startDaemon({ config: { agents: { echo: { command: process.execPath, args: [echo] } } } });
  onTestFinished(async () => void (await daemon.stop()));
  const { body } = await daemon.post("/sessions", { agent: "echo", interactive: true, name: "mine" });
  const id: string = body.session_id;

  expect(await daemon.cli("deny", id, "Do not do that")).toMatchObject({
    exitCode: 2,
    stderr:
      'agentd: Cannot take "Do not do that" for the id of a question. To say it to the agent: --message "Do not do that"',
  });
  expect((await daemon.cli("approve", id, "the first")).stderr).toContain(
    'To say it to the agent: --answer "the first"',
  );
  expect((await daemon.cli("run", "--agent", "echo", "--name", "mine", "x")).stderr).toBe(
    `agentd: Cannot name the session "mine": session "${id}" has that name. Choose another, or remove that one with: agentd rm ${id}`,
  );
  await eventually(async () => (await daemon.get(`/sessions/${id}`)).body.activity === "idle", {
    what: "an idle agent",
  });
  expect((await daemon.cli("steer", id, "hello")).stderr).toBe(
    "Nothing ran to be steered, so it is a prompt: accepted as turn t1",
  );

  await daemon.cli("stop", id);
  await daemon.cli("wait", id);
  const goOn = `it has ended. Go on from there with: agentd run --resume ${id} "…"`;
  expect(await daemon.cli("approve", id)).toMatchObject({
    exitCode: 1,
    stderr: `agentd: Cannot answer in session "${id}": ${goOn}`,
  });
  expect((await daemon.cli("prompt", id, "x")).stderr).toBe(`agentd: Cannot send to session "${id}": ${goOn}`);
  expect((await daemon.cli("inputs", id)).stderr).toBe(`No question is open: session ${id} has ended`);
});

test("another program at the daemon's address is told in a sentence", async () => {
  const dir = await tempDir();
  onTestFinished(dir.remove);
  const server = createServer((_request, response) => response.end("hi")).listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => void server.close());
  const { port } = server.address() as AddressInfo;
  const { exitCode, stderr } = await runCli(["ls", "--port", String(port), "--data-dir", dir.path]);
  expect([exitCode, stderr]).toEqual([
    1,
    `agentd: Something that is no agentd answers at http://127.0.0.1:${port} (--port): 200, "hi". Name the daemon with --url or --port, or start one on another port: "agentd serve --port 0"`,
  ]);
});

test("a task with a misspelt key is told which was meant", async () => {
  const dir = await tempDir();
  onTestFinished(dir.remove);
  const file = join(dir.path, "tasks.yaml");
  const refusal = async (text: string) => {
    await writeFile(file, text);
    const { exitCode, stderr } = await runCli(["dispatch", "--config", file, "--data-dir", dir.path]);
    expect(exitCode).toBe(2);
    return stderr;
  };
  expect(await refusal("tasks: [{agent: claude, promt: x}]")).toBe(
    `agentd: Cannot use task 1 in "${file}": unknown key "promt", did you mean "prompt"?`,
  );
  expect(await refusal("defalts: {}\ntasks: [{agent: claude, prompt: x}]")).toBe(
    `agentd: Cannot use "${file}": unknown key "defalts", did you mean "defaults"?`,
  );
});
