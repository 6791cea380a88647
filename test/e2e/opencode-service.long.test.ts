/** Failures of a model service that the scripted model does not know, against the real OpenCode. */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { ofType, results } from "../support/claude-daemon.ts";
import { opencodeBinary } from "../support/opencode-daemon.ts";
import { readLog } from "../support/read-log.ts";
import { type Daemon, startDaemon } from "../support/start-daemon.ts";

vi.setConfig({ testTimeout: 180_000 });

/** A service that answers each path with one refusal, and a port where nobody listens. */
const refusals: Readonly<Record<string, { status: number; body: object }>> = {
  billing: { status: 402, body: { type: "error", error: { type: "billing_error", message: "No credit" } } },
  quota: { status: 429, body: { error: { code: "insufficient_quota", message: "Quota used up" } } },
  context: {
    status: 400,
    body: {
      type: "error",
      error: { type: "invalid_request_error", message: "prompt is too long: 213462 tokens > 200000 maximum" },
    },
  },
  broken: { status: 500, body: { type: "error", error: { type: "api_error", message: "Internal server error" } } },
};

const service = createServer((request, response) => {
  const { status, body } = refusals[request.url?.split("/")[1] ?? ""] ?? { status: 404, body: {} };
  request.resume().on("end", () => {
    response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
  });
});
let daemon: Daemon;

beforeAll(async () => {
  const closed = createServer();
  for (const server of [service, closed])
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", () => resolve()));
  const portOf = (server: typeof service) => (server.address() as AddressInfo).port;
  const nobody = portOf(closed);
  await new Promise((resolve) => closed.close(resolve));
  const agent = (url: string) => ({
    harness: "opencode",
    command: opencodeBinary(),
    key_env: "TEST_MODEL_KEY",
    base_url: url,
    env: { OPENCODE_MAX_RETRIES: "1" },
  });
  const served = Object.keys(refusals).map((name) => [name, agent(`http://127.0.0.1:${portOf(service)}/${name}`)]);
  daemon = await startDaemon({
    config: { agents: { ...Object.fromEntries(served), refused: agent(`http://127.0.0.1:${nobody}`) } },
    env: { TEST_MODEL_KEY: "no-key-needed" },
  });
});
afterAll(async () => {
  await daemon.stop();
  service.closeAllConnections();
  await new Promise((resolve) => service.close(resolve));
});

describe("a model service", () => {
  it.each([
    ["that has no credit left", "billing", "quota", false],
    ["whose quota is used up", "quota", "quota", false],
    ["for which the conversation is too long", "context", "context_exceeded", false],
    ["that fails inside", "broken", "upstream_api_error", true],
    ["that does not listen", "refused", "network", true],
  ])("%s ends the turn as an error (%s: %s)", async (_, agent, category, retryable) => {
    const { body } = await daemon.post("/sessions", { agent, prompt: "hello" });
    const events = await readLog(daemon, body.session_id, { deadlineMs: 120_000 });
    expect(results(events)).toEqual([{ turn: "t1", status: "error" }]);
    expect(ofType(events, "error")).toMatchObject([{ error_category: category, retryable, turn_id: "t1" }]);
    expect(events.at(-1)).toMatchObject({ type: "exit", data: { code: 1, error_category: category } });
  });
});
