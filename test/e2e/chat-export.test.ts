/** A chat that is taken out of one daemon and goes on under another name. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createClient } from "../../src/client/client.ts";
import { type CountsDaemon, startCountsDaemon } from "../support/counts-daemon.ts";
import { eventually } from "../support/eventually.ts";

let counts: CountsDaemon;
beforeAll(async () => {
  counts = await startCountsDaemon();
  const config = { agent: "counts", model: "m", idle_timeout: "5m", env: { SOME_TOKEN: "hush-hush", PLAIN: "x" } };
  expect((await counts.daemon.post("/chats", { name: "source", config })).status).toBe(201);
  for (const word of ["one", "two"]) {
    await counts.daemon.post("/chats/source/messages", { message: `words=1 pause=0 ${word}` });
    await idle("source");
  }
});
afterAll(() => counts.stop());

const idle = (name: string) =>
  eventually(async () => (await counts.daemon.get(`/chats/${name}`)).body.state === "idle", { deadlineMs: 30_000 });
const exported = async () => (await counts.daemon.get("/chats/source/export")).text;
const history = async (name: string) => (await counts.daemon.get(`/chats/${name}/messages?limit=500`)).body.messages;
/** Without the place in the chat, which is another. */
const said = (messages: { offset: number }[]) => messages.map(({ offset: _, ...rest }) => rest);
const folders = () => readdirSync(join(counts.daemon.dataDir, "chats"));

describe("an export", () => {
  test("is the chat and all that was said in it, without its keys", async () => {
    const answer = await counts.daemon.get("/chats/source/export");
    expect(answer.headers.get("content-type")).toBe("application/x-ndjson; charset=utf-8");
    const [head, ...messages] = answer.text
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line));
    expect(head).toMatchObject({ type: "chat", version: 1, name: "source", config: { agent: "counts", model: "m" } });
    expect(messages).toEqual(await history("source"));
    expect(answer.text).not.toContain("hush");
  });

  test("is imported under another name, is read as it was, and goes on", async () => {
    const made = await counts.daemon.post("/chats/import", { export: await exported(), name: "copy" });
    expect([made.status, made.body.state, made.body.session_chain], made.text).toEqual([201, "created", []]);
    expect(made.body.config).toEqual({ agent: "counts", model: "m", idle_timeout: "5m", env: {} });
    expect(said(await history("copy"))).toEqual(said(await history("source")));
    const { session_id } = (await counts.daemon.post("/chats/copy/messages", { message: "words=1 pause=0 three" }))
      .body;
    await idle("copy");
    expect(await history("copy")).toHaveLength((await history("source")).length + 6);
    const offsets = (await history("copy")).map(({ offset }: { offset: number }) => offset);
    expect(offsets).toEqual([...offsets].sort((a, b) => a - b));
    expect(recordOf(session_id).spec.resume_agent_session).toBeUndefined();
    const pages = [];
    for (let before = ""; ; ) {
      const page = (await counts.daemon.get(`/chats/copy/messages?limit=5${before}`)).body;
      pages.unshift(...page.messages);
      if (!page.has_more) break;
      before = `&before=${page.before}`;
    }
    expect(pages).toEqual(await history("copy"));
    // What was imported is exported again.
    const again = (await counts.daemon.get("/chats/copy/export")).text.trimEnd().split("\n").slice(1);
    expect(again.map((line) => JSON.parse(line))).toEqual(await history("copy"));
    await counts.daemon.delete("/chats/copy?remove_volume=true");
    expect(folders().filter((name) => name.startsWith("copy-"))).toEqual([]);
  });

  test("goes on with the agent's own conversation when it is to", async () => {
    await counts.daemon.post("/chats/import", { export: await exported(), name: "resumed", resume: true });
    const { session_id } = (await counts.daemon.post("/chats/resumed/messages", { message: "words=1 pause=0" })).body;
    const { claude_session_ids, session_chain } = (await counts.daemon.get("/chats/source")).body;
    expect(recordOf(session_id).spec.resume_agent_session).toBe(claude_session_ids[session_chain[1]]);
    await idle("resumed");
  });

  test("comes and goes by the command line and the library", async () => {
    const { stdout } = await counts.daemon.cli("chat", "export", "source");
    expect(`${stdout}\n`).toBe(await exported());
    const file = join(counts.daemon.dataDir, "source.ndjson");
    await writeFile(file, stdout);
    const made = await counts.daemon.cli("chat", "import", file, "--name", "from-file");
    expect(made).toMatchObject({ exitCode: 0, stderr: 'Created chat "from-file"' });
    expect((await counts.daemon.cli("chat", "history", "from-file")).stdout).toContain("words=1 pause=0 two");
    const client = createClient({ url: counts.daemon.url, token: counts.daemon.token });
    const chat = await client.chats.import(await client.chats.at("source").export(), { name: "from-lib" });
    expect(said(await chat.history())).toEqual(said(await history("source")));
  });
});

test("a long history that was imported is paged through, 500 at most at once, and forgotten with its chat", async () => {
  const [head = ""] = (await exported()).split("\n");
  const lines = Array.from({ length: 1234 }, (_, at) => {
    const data = { turn_id: "t1", item_id: `i${at}`, text: `said ${at} ${"ä".repeat(at % 400)}`, delta: false };
    const timestamp = new Date(at * 1000).toISOString();
    return JSON.stringify({ session_id: "s", type: "agent_message", data, offset: at * 3, timestamp });
  });
  const made = await counts.daemon.post("/chats/import", { export: [head, ...lines].join("\n"), name: "long" });
  expect(made.status, made.text).toBe(201);
  const pages: { data: { text: string }; offset: number }[][] = [];
  for (let before = ""; ; ) {
    const page = (await counts.daemon.get(`/chats/long/messages?limit=9999${before}`)).body;
    pages.unshift(page.messages);
    if (!page.has_more) break;
    before = `&before=${page.before}`;
  }
  expect(pages.map((page) => page.length)).toEqual([234, 500, 500]);
  expect(pages.flat().map(({ data }) => data.text)).toEqual(lines.map((line) => JSON.parse(line).data.text));
  expect(pages.flat().map(({ offset }) => offset)).toEqual(lines.map((_, at) => at));
  expect((await counts.daemon.get("/chats/long/messages")).body.total).toBe(100);
  await counts.daemon.delete("/chats/long");
  await counts.daemon.post("/chats", { name: "long", config: { agent: "counts" } });
  expect((await counts.daemon.get("/chats/long/messages")).body.messages).toEqual([]);
  await counts.daemon.delete("/chats/long");
});

test("what is no export is refused by its line, and leaves nothing", async () => {
  const before = folders();
  const refused = async (text: string, more: Record<string, unknown> = {}) => {
    const { status, body } = await counts.daemon.post("/chats/import", { export: text, name: "bad", ...more });
    return [status, body.error, body.message];
  };
  expect(await refused("")).toEqual([400, "invalid_request", expect.stringContaining("line 1")]);
  expect(await refused("{}")).toEqual([400, "invalid_request", expect.stringContaining("line 1")]);
  const [head = ""] = (await exported()).split("\n");
  expect(await refused(`${head}\nnot json`)).toEqual([400, "invalid_request", expect.stringContaining("line 2")]);
  expect(await refused(`${head}\n${"[".repeat(10_000)}`)).toEqual([
    400,
    "invalid_request",
    expect.stringContaining("line 2"),
  ]);
  expect(await refused(head.replace('"counts"', '"nobody"'))).toEqual([400, "unknown_agent", expect.any(String)]);
  expect((await refused(head, { work_dir: "/nowhere" }))[1]).toBe("invalid_work_dir");
  expect((await refused(head, { name: "source" }))[1]).toBe("chat_exists");
  expect((await counts.daemon.get("/chats/bad")).status).toBe(404);
  expect(folders()).toEqual(before);
});

function recordOf(id: string) {
  const path = join(counts.dirOf(id), "session.json");
  return existsSync(path) ? JSON.parse(readFileSync(path, "utf8")) : undefined;
}
