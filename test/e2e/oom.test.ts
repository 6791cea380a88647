import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { eventually } from "../support/eventually.ts";
import { makeMemoryGroup } from "../support/memory-group.ts";
import { readLog } from "../support/read-log.ts";
import { startDaemon } from "../support/start-daemon.ts";

const eater = fileURLToPath(new URL("../fixtures/agents/eats-memory.mjs", import.meta.url));
const group = makeMemoryGroup(400 * 1024 * 1024);

// Only root, or who was given a memory group, can limit memory so that the kernel itself kills.
test.skipIf(!group)("an agent that the kernel kills for want of memory ends with the category oom", async () => {
  const daemon = await startDaemon({ config: { agents: { eater: { command: process.execPath, args: [eater] } } } });
  try {
    // What it starts from now on shares the limit.
    group?.add(daemon.pid);
    const { body } = await daemon.post("/sessions", { agent: "eater", prompt: "eat" });
    await eventually(async () => (await daemon.get(`/sessions/${body.session_id}`)).body.status === "failed", {
      deadlineMs: 40_000,
      what: "the end of the session",
    });
    expect((await readLog(daemon, body.session_id)).at(-1)).toMatchObject({
      type: "exit",
      data: { code: 137, signal: "SIGKILL", error_category: "oom", retryable: true },
    });
  } finally {
    await daemon.stop();
  }
  await eventually(() => {
    try {
      group?.remove();
      return true;
    } catch {
      // Its last member is not reaped yet.
      return false;
    }
  });
});
