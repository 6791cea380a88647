/** What the chat script of the Go daemon's end-to-end tests expects, step by step, of a daemon that asks for no token. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { type ClaudeDaemon, startClaudeDaemon } from "../support/claude-daemon.ts";
import { eventually } from "../support/eventually.ts";
import { requests } from "../support/start-daemon.ts";

let claude: ClaudeDaemon;
let client: ReturnType<typeof requests>;
beforeAll(async () => {
  claude = await startClaudeDaemon({ args: ["--no-auth"] });
  client = requests(claude.daemon.url, "");
});
afterAll(() => claude.stop());

const stateOf = async () => (await client.get("/chats/script")).body.state;
const becomes = (state: string) =>
  eventually(async () => (await stateOf()) === state, { deadlineMs: 60_000, what: `the chat to be ${state}` });

interface Message {
  type: string;
  session_id: string;
  data: Record<string, unknown>;
}

test("the script of the Go daemon's tests runs, with the real Claude Code", async () => {
  expect((await client.get("/health")).body.status).toBe("ok");
  const created = await client.post("/chats", { name: "script", config: { agent: "claude", model: "", mounts: [] } });
  expect([created.status, created.body.state]).toEqual([201, "created"]);
  expect((await client.post("/chats", { name: "script", config: { agent: "claude" } })).status).toBe(409);

  const first = await client.post("/chats/script/messages", { message: "Remember the word marmalade" });
  expect([first.status, first.body.state, first.body.spawned]).toEqual([202, "running", true]);
  expect(await stateOf()).toBe("running");
  const refused = await client.patch("/chats/script/config", { config: { model: "other" } });
  expect(refused.status).toBe(409);
  expect(refused.text).toContain("idle");
  await becomes("idle");
  expect((await client.get("/chats/script")).body.session_chain).toEqual([first.body.session_id]);

  const second = await client.post("/chats/script/messages", { message: "Which word was it?" });
  expect(second.status).toBe(202);
  await becomes("idle");
  const chat = (await client.get("/chats/script")).body;
  expect(chat.session_chain).toEqual([first.body.session_id, second.body.session_id]);
  // Claude Code goes on with one conversation, and its model is told what was said in it before.
  const [one, two] = chat.session_chain.map((id: string) => chat.claude_session_ids[id]);
  expect(one).toMatch(/^[0-9a-f-]{36}$/);
  expect(two).toBe(one);
  const asked = claude.model.requests.filter(({ text }) => text.includes("Which word was it?"));
  expect(asked.length).toBeGreaterThan(0);
  expect(JSON.stringify(asked.at(-1)?.body.messages)).toContain("Remember the word marmalade");

  const { body } = await client.get("/chats/script/messages");
  const messages: Message[] = body.messages;
  expect(body.total).toBe(messages.length);
  const replies = messages.filter(({ type, data }) => type === "agent_message" && data["delta"] !== true);
  expect(replies.map(({ session_id }) => session_id)).toEqual(expect.arrayContaining(chat.session_chain));
  expect(replies.map(({ data }) => data["text"]).join("\n")).toContain("You said: Which word was it?");
  expect(messages.map(({ type }) => type)).not.toContain("system");
  expect(messages.filter(({ type }) => type === "user_message").map(({ data }) => data["text"])).toEqual([
    "Remember the word marmalade",
    "Which word was it?",
  ]);

  const attached = await client.post("/chats/script/attach", {});
  expect([attached.status, attached.body.state, attached.body.spawned]).toEqual([200, "running", true]);
  expect((await client.get("/chats")).body).toMatchObject([{ name: "script", state: "running", agent: "claude" }]);
  const deleted = await client.delete("/chats/script");
  expect([deleted.status, deleted.body.deleted]).toEqual([200, true]);
  expect((await client.get("/chats/script")).status).toBe(404);
  expect((await client.get("/chats")).body).toEqual([]);
}, 180_000);
