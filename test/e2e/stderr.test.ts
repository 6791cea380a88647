import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { execa } from "execa";
import { expect, it, onTestFinished } from "vitest";
import { eventually } from "../support/eventually.ts";
import { agentdPath, requests } from "../support/start-daemon.ts";
import { tempDir } from "../support/temp-dir.ts";

const echo = new URL("../fixtures/agents/echo.mjs", import.meta.url).pathname;

/** A name that fills the pipe with few lines. */
const agent = "e".repeat(32);

async function startTalkative() {
  const { path, remove } = await tempDir();
  onTestFinished(remove);
  const dataDir = join(path, "data");
  await mkdir(dataDir, { recursive: true });
  const config = { log_level: "debug", agents: { [agent]: { command: process.execPath, args: [echo] } } };
  await writeFile(join(dataDir, "config.json"), JSON.stringify(config));
  const args = [agentdPath, "serve", "--port", "0", "--data-dir", dataDir, "--on-shutdown", "stop"];
  const daemon = execa(process.execPath, args, {
    stdin: "ignore",
    stdout: "ignore",
    buffer: false,
    reject: false,
    forceKillAfterDelay: false,
  });
  onTestFinished(() => void daemon.kill("SIGKILL"));
  const { url, token } = await eventually(async () => {
    const found = JSON.parse(await readFile(join(dataDir, "daemon.json"), "utf8")) as { url?: string };
    return (
      found.url !== undefined && { url: found.url, token: (await readFile(join(dataDir, "token"), "utf8")).trim() }
    );
  });
  return { daemon, api: requests(url, token) };
}

it("a daemon whose stderr nobody reads goes on, and leaves when it is told to", async () => {
  const { daemon, api } = await startTalkative();
  daemon.stderr.pause();
  const { body } = await api.post("/sessions", { agent, interactive: true, prompt: "x" });
  // Some 200 bytes a turn, against the 200 KiB or so that a socket between two processes takes.
  for (let turn = 0; turn < 1500; turn += 10) {
    const prompts = Array.from({ length: 10 }, () => api.post(`/sessions/${body.session_id}/prompt`, { text: "x" }));
    expect((await Promise.all(prompts)).every(({ status }) => status === 202 || status === 429)).toBe(true);
  }
  expect((await api.get("/health")).status).toBe(200);
  daemon.kill("SIGTERM");
  expect((await daemon).exitCode).toBe(0);
});

it("a daemon whose reader of stderr is gone goes on, and leaves when it is told to", async () => {
  const { daemon, api } = await startTalkative();
  daemon.stderr.destroy();
  const { body } = await api.post("/sessions", { agent, interactive: true, prompt: "x" });
  await eventually(async () => (await api.get(`/sessions/${body.session_id}`)).body.turn_count === 1);
  expect((await api.get("/health")).status).toBe(200);
  daemon.kill("SIGTERM");
  expect((await daemon).exitCode).toBe(0);
});
