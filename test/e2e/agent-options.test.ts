import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type ClaudeDaemon, hasResults, ofType, startClaudeDaemon } from "../support/claude-daemon.ts";
import { readLog } from "../support/read-log.ts";
import { startDaemon } from "../support/start-daemon.ts";

let claude: ClaudeDaemon;
beforeAll(async () => {
  claude = await startClaudeDaemon();
});
afterAll(() => claude.stop());

const stdio = { mcp_servers: [{ name: "lab", cmd: ["node", "server.mjs"] }] };
const ask = (more: object) => claude.daemon.post("/sessions", { agent: "claude", prompt: "hi", ...more });

describe("what a request brings along", () => {
  it("is kept without its secrets", async () => {
    const id = await claude.create({
      prompt: "hi",
      instructions: "be brief",
      claude: { settings_json: { language: "hidden-word" } },
      mcp_servers: [{ name: "lab", url: "http://127.0.0.1:9/mcp", token: "hidden-token" }],
    });
    await claude.log(id);
    const record = readFileSync(join(claude.daemon.dataDir, "sessions", id, "session.json"), "utf8");
    expect(record).not.toContain("hidden");
    expect(JSON.parse(record)).toMatchObject({ spec: { instructions: "be brief" } });
    const log = await claude.daemon.get(`/sessions/${id}/log`);
    expect(log.text).not.toContain("hidden-token");
  });

  it.each<[string, object, number, string]>([
    [
      "a hook beside a person",
      { claude: { settings_json: { hooks: {} } }, permission_mode: "interactive" },
      403,
      "executable_forbidden",
    ],
    ["a stdio server beside a person", { ...stdio, permission_mode: "interactive" }, 403, "executable_forbidden"],
    [
      "another address for keys",
      { claude: { settings_json: { env: { ANTHROPIC_BASE_URL: "http://x" } } } },
      400,
      "invalid_request",
    ],
    [
      "a websocket server",
      { mcp_servers: [{ name: "lab", type: "websocket", url: "ws://x" }] },
      400,
      "invalid_request",
    ],
    ["two instructions", { instructions: "a", claude: { claude_md: "b" } }, 400, "invalid_request"],
    ["a budget of nothing", { max_budget_usd: 0 }, 400, "invalid_request"],
    ["another output format", { claude: { output_format: "text" } }, 400, "unsupported_by_agent"],
  ])("refuses %s", async (_, more, status, error) => {
    const answer = await ask(more);
    expect([answer.status, answer.body.error]).toEqual([status, error]);
  });
});

it("a session with programs of its request is not handed to a person without permission", async () => {
  const id = await claude.create({ ...stdio, interactive: true, prompt: "hi" });
  await claude.log(id, hasResults(1));
  const refused = await claude.daemon.patch(`/sessions/${id}`, { permission_mode: "interactive" });
  expect([refused.status, refused.body.error]).toEqual([403, "executable_forbidden"]);
  expect((await claude.daemon.get(`/sessions/${id}`)).body.permission_mode).toBe("autonomous");
  await claude.daemon.delete(`/sessions/${id}`);
});

describe("images", () => {
  const image = { media_type: "image/png", data: Buffer.from("a picture").toString("base64") };

  it("are kept as blobs that the log names", async () => {
    const id = await claude.create({ prompt: "look", images: [image, image] });
    const [message] = ofType(await claude.log(id), "user_message");
    expect(message).toMatchObject({
      text: "look",
      images: [
        { media_type: "image/png", blob: "img-t1-1.png", bytes: 9 },
        { media_type: "image/png", blob: "img-t1-2.png", bytes: 9 },
      ],
    });
    expect((await claude.daemon.get(`/sessions/${id}/blobs/img-t1-1.png`)).text).toBe("a picture");
  });

  it.each<[string, object, number, string]>([
    ["21 of them", { images: Array.from({ length: 21 }, () => image) }, 400, "invalid_request"],
    ["an empty one", { images: [{ ...image, data: "" }] }, 400, "invalid_request"],
    ["one that is no base64", { images: [{ ...image, data: "%%%" }] }, 400, "invalid_request"],
    ["one of another type", { images: [{ ...image, media_type: "image/svg+xml" }] }, 400, "invalid_request"],
    [
      "one over 5 MiB",
      { images: [{ ...image, data: Buffer.alloc(5 * 1024 * 1024 + 1).toString("base64") }] },
      400,
      "invalid_request",
    ],
    ["one without a prompt", { prompt: undefined, interactive: true, images: [image] }, 400, "invalid_request"],
  ])("%s is refused", async (_, more, status, error) => {
    const answer = await ask(more);
    expect([answer.status, answer.body.error]).toEqual([status, error]);
  });

  it("of a prompt that waits outlive the daemon", async () => {
    const id = await claude.create({ prompt: "[[slow:600]]", interactive: true });
    await claude.log(id, (events) => ofType(events, "agent_message").length > 0);
    const accepted = await claude.daemon.post(`/sessions/${id}/prompt`, { text: "and this", images: [image] });
    expect(accepted.status).toBe(202);
    await claude.daemon.kill9();
    const next = await startDaemon({ dataDir: claude.daemon.dataDir, env: { TEST_MODEL_KEY: "no-key-needed" } });
    try {
      expect((await next.get(`/sessions/${id}`)).body.queue).toMatchObject([{ turn_id: "t2" }]);
      await next.post(`/sessions/${id}/interrupt`);
      const events = await readLog(next, id, { enough: hasResults(2) });
      expect(ofType(events, "result")[1]).toMatchObject({ turn_id: "t2", status: "success" });
    } finally {
      await next.stop();
    }
  });
});
