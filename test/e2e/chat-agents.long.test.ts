/** A chat with the agents whose script `chat-script.test.ts` does not run: one conversation over its sessions, and over a restart. */
import { expect, onTestFinished, test, vi } from "vitest";
import { codexModel, startCodexDaemon } from "../support/codex-daemon.ts";
import { eventually } from "../support/eventually.ts";
import { startOpencodeDaemon } from "../support/opencode-daemon.ts";
import { type Daemon, startDaemon } from "../support/start-daemon.ts";

vi.setConfig({ testTimeout: 240_000 });

interface Started {
  daemon: Daemon;
  model: { requests: readonly { text: string; body: unknown }[] };
  stop(): Promise<void>;
}

test.each<[agent: string, config: Record<string, unknown>, start: () => Promise<Started>]>([
  ["codex", { model: codexModel }, startCodexDaemon],
  ["opencode", {}, startOpencodeDaemon],
])("%s goes on with one conversation from message to message, and behind a restart", async (agent, config, start) => {
  const { daemon: first, model, stop } = await start();
  onTestFinished(stop);
  const created = await first.post("/chats", { name: "talk", config: { agent, ...config } });
  expect(created.status, created.text).toBe(201);
  await say(first, "Remember the word marmalade");
  await say(first, "Which word was it?");
  expect(toldWith(model, "Which word was it?")).toContain("Remember the word marmalade");

  await first.leave();
  const second = await startDaemon({ dataDir: first.dataDir, env: { TEST_MODEL_KEY: "no-key-needed" } });
  onTestFinished(async () => {
    await second.stop();
  });
  await say(second, "Spell it");
  const told = toldWith(model, "Spell it");
  expect(told).toContain("Remember the word marmalade");
  expect(told).toContain("Which word was it?");

  const chat = (await second.get("/chats/talk")).body;
  expect(chat.session_chain).toHaveLength(3);
  const conversations = chat.session_chain.map((id: string) => chat.claude_session_ids[id]);
  expect(conversations).toEqual(Array(3).fill(expect.stringMatching(/\S/)));
  expect(new Set(conversations).size).toBe(1);
  const { messages } = (await second.get("/chats/talk/messages?limit=500")).body;
  expect(textsOf(messages, "user_message")).toEqual(["Remember the word marmalade", "Which word was it?", "Spell it"]);
  expect(textsOf(messages, "agent_message").join("\n")).toMatch(/marmalade[\s\S]*Which word[\s\S]*Spell it/);
});

/** A message that is answered. */
async function say(daemon: Daemon, message: string): Promise<void> {
  const { status, text } = await daemon.post("/chats/talk/messages", { message });
  expect(status, text).toBe(202);
  await eventually(async () => (await daemon.get("/chats/talk")).body.state === "idle", {
    deadlineMs: 90_000,
    what: `an answer to "${message}"`,
  });
}

/** All that the model was told when somebody said this. */
function toldWith(model: Started["model"], words: string): string {
  return JSON.stringify(model.requests.filter(({ text }) => text.includes(words)).at(-1)?.body);
}

function textsOf(messages: readonly { type: string; data: { text: string; delta?: boolean } }[], type: string) {
  return messages
    .filter((message) => message.type === type && message.data.delta !== true)
    .map(({ data }) => data.text);
}
