import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it, onTestFinished } from "vitest";
import { eventually } from "../support/eventually.ts";
import { startDaemon } from "../support/start-daemon.ts";

const echo = new URL("../fixtures/agents/echo.mjs", import.meta.url).pathname;

it("a flood of commands for a sidecar that stands still is refused from a number on, and the daemon serves others", async () => {
  const daemon = await startDaemon({ config: { agents: { echo: { command: process.execPath, args: [echo] } } } });
  onTestFinished(async () => {
    await daemon.stop();
  });
  const { body } = await daemon.post("/sessions", { agent: "echo", interactive: true, prompt: "hello" });
  const id = String(body.session_id);
  await eventually(async () => (await daemon.get(`/sessions/${id}/logs`)).text.includes("echo: hello"));
  await eventually(async () => (await daemon.get(`/sessions/${id}`)).body.activity === "idle");
  const { pid } = JSON.parse(readFileSync(join(daemon.dataDir, "sessions", id, "sidecar.json"), "utf8")) as {
    pid: number;
  };
  process.kill(pid, "SIGSTOP");
  const waiting: Promise<{ status: number; text: string }>[] = [];
  try {
    let refused: { status: number; text: string } | undefined;
    for (let n = 0; n < 1100; n++) {
      const answer = daemon.post(`/sessions/${id}/interrupt`);
      answer.then(
        ({ status, text }) => {
          if (text.includes("commands wait")) refused = { status, text };
        },
        () => undefined,
      );
      waiting.push(answer);
    }
    await eventually(() => refused, { deadlineMs: 60_000, what: "the first refusal" });
    expect(refused).toMatchObject({ status: 500, text: expect.stringContaining("1000 commands wait") });
    const other = await daemon.post("/sessions", { agent: "echo", prompt: "still there" });
    await eventually(async () => (await daemon.get(`/sessions/${other.body.session_id}`)).body.status === "completed", {
      deadlineMs: 60_000,
    });
  } finally {
    process.kill(pid, "SIGCONT");
  }
  // Whether an echo can be interrupted is another matter: each of them is answered.
  await Promise.allSettled(waiting);
}, 120_000);
