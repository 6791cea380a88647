import { existsSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import WebSocket from "ws";
import { startDaemon } from "../support/start-daemon.ts";

const echo = fileURLToPath(new URL("../fixtures/agents/echo.mjs", import.meta.url));
const config = {
  agents: {
    echo: { command: process.execPath, args: [echo] },
    slow: { command: "sh", args: ["-c", "read x; sleep 30"] },
  },
};

describe("what a plain command cannot do is refused by name", () => {
  it("context, mentions, and a second prompt to a one-shot session", async () => {
    const daemon = await startDaemon({ config });
    const { body } = await daemon.post("/sessions", { agent: "echo", interactive: true });
    expect(await daemon.post(`/sessions/${body.session_id}/context`, { text: "x" })).toMatchObject({
      status: 400,
      body: { error: "unsupported_by_agent" },
    });
    expect(await daemon.post(`/sessions/${body.session_id}/mention`, { file_path: "/etc/hosts" })).toMatchObject({
      status: 400,
      body: { error: "unsupported_by_agent" },
    });
    const oneShot = await daemon.post("/sessions", { agent: "slow", prompt: "go" });
    expect(await daemon.post(`/sessions/${oneShot.body.session_id}/prompt`, { text: "more" })).toMatchObject({
      status: 409,
      body: { error: "session_ended" },
    });
    await daemon.stop();
  });
});

describe("a refused upgrade", () => {
  it.each([{}, { origin: "http://evil.example" }, { host: "evil.example" }])(
    "with %j does not hold up the end of the daemon",
    async (headers) => {
      const daemon = await startDaemon({ config });
      const status = await new Promise((resolve) => {
        const socket = new WebSocket(`${daemon.url.replace("http", "ws")}/ws/sessions/x`, { headers });
        socket.on("unexpected-response", (_request, response) => resolve(response.statusCode));
        socket.on("error", () => {
          // The answer is what counts.
        });
      });
      expect([401, 403]).toContain(status);
      expect(await daemon.stop()).toEqual({ code: 0 });
      expect(existsSync(join(daemon.dataDir, "daemon.json"))).toBe(false);
    },
  );
});
