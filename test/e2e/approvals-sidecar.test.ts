/** Questions without the daemon: a sidecar that a person started is answered by the command `respond`; one that dies. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, it } from "vitest";
import { WebSocket } from "ws";
import * as z from "zod";
import { claudeBinary } from "../support/claude-binary.ts";
import { ofType, results, startClaudeDaemon } from "../support/claude-daemon.ts";
import type { LoggedEvent } from "../support/client-socket.ts";
import { eventually } from "../support/eventually.ts";
import { startScriptedModel } from "../support/scripted-model.ts";
import { endSidecar, startByHand } from "../support/sidecar.ts";
import { tempDir } from "../support/temp-dir.ts";

it("a sidecar started by hand is answered on its own WebSocket", async () => {
  const [model, dir] = await Promise.all([startScriptedModel(), tempDir()]);
  const config = {
    permission_mode: "interactive",
    env: { ANTHROPIC_BASE_URL: model.url, ANTHROPIC_API_KEY: "any", CLAUDE_CONFIG_DIR: join(dir.path, "claude") },
  };
  const sidecar = await startByHand({
    command: [claudeBinary()],
    env: { AGENT_CONFIG: JSON.stringify(config), WORK_DIR: dir.path },
  });
  const socket = new WebSocket(`ws://${sidecar.origin}/ws?since=0`);
  const events: LoggedEvent[] = [];
  socket.on("message", (data) => events.push(JSON.parse(String(data))));
  const say = (command: object) => socket.send(JSON.stringify(command));
  const found = (type: string) => eventually(() => ofType(events, type)[0], { deadlineMs: 60_000, what: type });
  try {
    await new Promise((resolve) => socket.once("open", resolve));
    say({ type: "prompt", data: { content: "[[bash:touch by-hand.txt]]" } });
    const { request_id } = await found("input_required");
    say({ type: "respond", data: { request_id: "no-such", decision: "deny" } });
    expect((await found("error"))["message"]).toContain('no question "no-such" is open');
    say({ type: "respond", data: { request_id, decision: "approve_once" } });
    expect(await found("input_resolved")).toEqual({ request_id, decision: "approve_once", by: "client" });
    expect(await found("result")).toMatchObject({ status: "success" });
  } finally {
    socket.close();
    await endSidecar(sidecar);
    await model.close();
    await dir.remove();
  }
});

it("a question whose sidecar is killed is closed as aborted, and takes no answer any more", async () => {
  const claude = await startClaudeDaemon();
  try {
    const id = await claude.create({
      interactive: true,
      permission_mode: "interactive",
      prompt: "[[bash:touch lost.txt]]",
    });
    const { request_id } = await eventually(async () => (await claude.daemon.get(`/sessions/${id}`)).body.inputs[0]);
    const file = join(claude.daemon.dataDir, "sessions", id, "sidecar.json");
    const sidecar = z.object({ pid: z.number() }).parse(JSON.parse(await readFile(file, "utf8"))).pid;
    process.kill(sidecar, "SIGKILL");
    const events = await claude.log(id);
    expect(ofType(events, "input_resolved")).toEqual([{ request_id, decision: "aborted", by: "agentd" }]);
    expect(results(events)).toEqual([{ turn: "t1", status: "aborted" }]);
    const late = await claude.daemon.put(`/sessions/${id}/inputs/${request_id}`, { decision: "approve_once" });
    expect(late).toMatchObject({ status: 409, body: { error: "input_answered", decision: "aborted" } });
    await claude.allGone(id);
  } finally {
    await claude.stop();
  }
});
