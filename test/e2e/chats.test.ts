/** Chats through HTTP, against a real daemon and the counting agent. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { mkdir, realpath, rm } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type CountsDaemon, startCountsDaemon } from "../support/counts-daemon.ts";
import { eventually } from "../support/eventually.ts";
import { tempDir } from "../support/temp-dir.ts";

let counts: CountsDaemon;
beforeAll(async () => {
  counts = await startCountsDaemon();
});
afterAll(() => counts.stop());

const quick = "words=1 pause=0";
const long = "words=2000 pause=50";

async function create(name: string, config: Record<string, unknown> = {}) {
  const { status, body, text } = await counts.daemon.post("/chats", { name, config: { agent: "counts", ...config } });
  expect(status, text).toBe(201);
  return body;
}

const chat = async (name: string) => (await counts.daemon.get(`/chats/${name}`)).body;
const send = (name: string, message: string, headers: Record<string, string> = {}) =>
  counts.daemon.post(`/chats/${name}/messages`, { message }, { headers });
const idle = (name: string) =>
  eventually(
    async () => {
      const view = await chat(name);
      return view.state === "idle" && view;
    },
    { deadlineMs: 30_000, what: `${name} to be idle` },
  );

/** Resolves when the agent answers: before that there is nothing to interrupt. */
const answering = (id: string) => counts.until(id, (events) => events.some(({ type }) => type === "agent_message"));

/** What the agent was given, over all sessions of the chat. */
async function given(name: string): Promise<string[]> {
  const { session_chain } = await chat(name);
  return session_chain.flatMap((id: string) => {
    const path = join(counts.journalDir, `${id}.ndjson`);
    if (!existsSync(path)) return [];
    const lines = readFileSync(path, "utf8").split("\n");
    return lines.flatMap((line) => (line === "" ? [] : (JSON.parse(line).got ?? [])));
  });
}

describe("a chat", () => {
  test("goes from created to running to idle, with a session for each message", async () => {
    const made = await create("walk");
    expect(made).toMatchObject({ name: "walk", state: "created", session_chain: [], config: { agent: "counts" } });
    expect(made.current_session).toBeUndefined();
    const first = await send("walk", `${quick} one`);
    expect([first.status, first.body.state, first.body.spawned]).toEqual([202, "running", true]);
    expect(first.body.ws_url).toBe(`ws://${new URL(counts.daemon.url).host}/ws/chats/walk`);
    await idle("walk");
    const second = await send("walk", `${quick} two`);
    expect(second.body.session_id).not.toBe(first.body.session_id);
    const view = await idle("walk");
    expect(view.session_chain).toEqual([first.body.session_id, second.body.session_id]);
    expect(Object.keys(view.claude_session_ids)).toEqual(expect.arrayContaining(view.session_chain));
    expect(await given("walk")).toEqual([`${quick} one`, `${quick} two`]);
    const session = (await counts.daemon.get(`/sessions/${second.body.session_id}`)).body;
    expect(session).toMatchObject({ tags: { chat_name: "walk" }, interactive: false, status: "completed" });
    expect((await counts.daemon.get("/chats")).body).toEqual(
      expect.arrayContaining([
        expect.objectContaining({ name: "walk", state: "idle", session_count: 2, agent: "counts" }),
      ]),
    );
  });

  test("goes on with the conversation of the session before, in the same folder", async () => {
    await create("same");
    const ids: string[] = [];
    for (const word of ["one", "two"]) {
      ids.push((await send("same", `${quick} ${word}`)).body.session_id);
      await idle("same");
    }
    const [one, two] = await Promise.all(ids.map(async (id) => (await counts.daemon.get(`/sessions/${id}`)).body));
    expect(two.work_dir).toBe(one.work_dir);
    const record = JSON.parse(readFileSync(join(counts.dirOf(ids[1] ?? ""), "session.json"), "utf8"));
    expect(record.spec.resume_agent_session).toBe(one.agent_session_id);
  });

  test("takes one message while another is answered, refuses a third, and runs each once", async () => {
    await create("busy");
    const first = await send("busy", long);
    const second = await send("busy", `${quick} waited`);
    expect(second.body).toMatchObject({ session_id: first.body.session_id, state: "running", queued: true });
    expect((await chat("busy")).next_session).toBe(second.body.next_session);
    const third = await send("busy", `${quick} too much`);
    expect([third.status, third.body.error, third.body.retry_after_ms]).toEqual([429, "chat_busy", 5000]);
    expect(third.headers.get("retry-after")).toBe("5");
    await answering(first.body.session_id);
    await counts.daemon.post(`/sessions/${first.body.session_id}/interrupt`);
    const view = await idle("busy");
    expect(view.session_chain).toEqual([first.body.session_id, second.body.next_session]);
    expect(await given("busy")).toEqual([long, `${quick} waited`]);
  });

  test("is changed only while nothing runs, and what is not named stays", async () => {
    await create("change", { model: "m1", idle_timeout: "5m" });
    const { body } = await send("change", long);
    const refused = await counts.daemon.patch("/chats/change/config", { config: { model: "m2" } });
    expect([refused.status, refused.body.error]).toEqual([409, "chat_not_idle"]);
    expect(refused.body.message).toContain("idle");
    await counts.daemon.delete(`/sessions/${body.session_id}`);
    await idle("change");
    const changed = await counts.daemon.patch("/chats/change/config", { config: { model: "m2", agent: "" } });
    expect(changed.body.config).toEqual({ agent: "counts", model: "m2", idle_timeout: "5m" });
    expect((await counts.daemon.patch("/chats/change/config", { config: { runtime: "moon" } })).body.error).toBe(
      "unknown_runtime",
    );
  });

  test("is refused when it could never have a session", async () => {
    const refused = async (config: unknown, name = "never") =>
      (await counts.daemon.post("/chats", { name, config })).body.error;
    expect(await refused({ agent: "nobody" })).toBe("unknown_agent");
    expect(await refused({ agent: "counts", runtime: "moon" })).toBe("unknown_runtime");
    expect(await refused({ agent: "counts", work_dir: "/nowhere/at/all" })).toBe("invalid_work_dir");
    expect(await refused({ agent: "counts", idle_timeout: "soon" })).toBe("invalid_request");
    expect(await refused({ agent: "counts", colour: "red" })).toBe("invalid_request");
    expect(await refused({})).toBe("invalid_request");
    for (const name of ["", "Upper", "../up", "a/b", "-a", "x".repeat(65)])
      expect([name, await refused({ agent: "counts" }, name)]).toEqual([name, "invalid_request"]);
    await create("taken");
    expect(await refused({ agent: "counts" }, "taken")).toBe("chat_exists");
    for (const path of ["/chats/none", "/chats/none/messages", "/chats/..%2f..%2fetc"])
      expect((await counts.daemon.get(path)).body.error).toBe("chat_not_found");
  });

  test("is listed oldest first, has an address only while it runs, and refuses before it reads what is refused", async () => {
    for (const name of ["zz-older", "aa-newer"]) await create(name);
    const names = (await counts.daemon.get("/chats")).body.map((one: { name: string }) => one.name);
    expect(names.indexOf("zz-older")).toBeLessThan(names.indexOf("aa-newer"));
    expect((await chat("zz-older")).ws_url).toBeUndefined();
    const { session_id } = (await send("zz-older", long)).body;
    await eventually(async () => (await chat("zz-older")).current_session === session_id);
    expect((await chat("zz-older")).ws_url).toMatch(/^ws:\/\/.*\/ws\/chats\/zz-older$/);
    const unreadable = await counts.daemon.patch("/chats/zz-older/config", { config: { colour: "red" } });
    expect([unreadable.status, unreadable.body.error]).toEqual([409, "chat_not_idle"]);
    await counts.daemon.delete("/chats/zz-older");
    for (const body of [{}, { message: "" }, { message: 1 }, { message: "x", more: 1 }]) {
      const refused = await counts.daemon.post("/chats/aa-newer/messages", body);
      expect([body, refused.status, refused.body.error]).toEqual([body, 400, "invalid_request"]);
    }
    const absent = [
      await counts.daemon.post("/chats/none/messages", { message: "x" }),
      await counts.daemon.post("/chats/none/attach"),
      await counts.daemon.patch("/chats/none/config", { config: {} }),
      await counts.daemon.delete("/chats/none"),
    ];
    expect(absent.map(({ status, body }) => [status, body.error])).toEqual(absent.map(() => [404, "chat_not_found"]));
  });

  test("shows no keys to who may only read", async () => {
    await create("secret", {
      env: { SOME_TOKEN: "hush-hush" },
      mcp_servers: [
        {
          name: "m",
          url: "http://hush-user:hush-password@127.0.0.1:1/hush-path?api_key=hush-query",
          token: "hush-token",
        },
        { name: "n", cmd: ["server", "--api-key", "hush-word"], env: { KEY: "hush-env" } },
      ],
      claude: { settings_json: { apiKeyHelper: "hush-setting" } },
    });
    const texts = [
      (await counts.daemon.get("/chats/secret")).text,
      (await counts.daemon.get("/chats")).text,
      (await counts.daemon.get("/chats/secret/export")).text,
      (await counts.daemon.patch("/chats/secret/config", { config: { model: "m" } })).text,
    ];
    for (const text of texts) expect(text).not.toContain("hush");
    const { env, mcp_servers } = (await chat("secret")).config;
    expect(env).toEqual({ SOME_TOKEN: "[redacted]" });
    expect(mcp_servers).toMatchObject([
      { name: "m", url: "[redacted]", token: "[redacted]" },
      { name: "n", cmd: ["[redacted]", "[redacted]", "[redacted]"], env: { KEY: "[redacted]" } },
    ]);
    // What is left of a tool server is none.
    const copy = { export: texts[2], name: "secret-copy" };
    expect((await counts.daemon.post("/chats/import", copy)).body.config.mcp_servers).toBeUndefined();
  });

  test("is deleted with what runs in it; its sessions stay listed unless they are to go too", async () => {
    await create("gone");
    const { session_id } = (await send("gone", long)).body;
    await send("gone", `${quick} never`);
    expect((await counts.daemon.delete("/chats/gone")).body).toEqual({ name: "gone", deleted: true });
    expect((await counts.daemon.delete("/chats/gone")).body.error).toBe("chat_not_found");
    expect((await counts.daemon.get(`/sessions/${session_id}`)).body.status).toBe("failed");
    await create("gone");
    expect((await chat("gone")).session_chain).toEqual([]);
    const again = (await send("gone", quick)).body.session_id;
    await idle("gone");
    const folders = () => readdirSync(join(counts.daemon.dataDir, "chats")).filter((name) => name.startsWith("gone-"));
    expect(folders().length).toBe(1);
    await counts.daemon.delete("/chats/gone?remove_volume=true");
    expect((await counts.daemon.get(`/sessions/${again}`)).status).toBe(404);
    expect(folders()).toEqual([]);
  });
});

describe("a session to talk in", () => {
  test("is begun without a message, goes on where the chat was, and ends when nobody says anything", async () => {
    await create("talk", { idle_timeout: "2s" });
    const first = (await send("talk", quick)).body.session_id;
    await idle("talk");
    const attached = await counts.daemon.post("/chats/talk/attach");
    expect([attached.status, attached.body.state, attached.body.spawned]).toEqual([200, "running", true]);
    const id = attached.body.session_id;
    expect((await counts.daemon.post("/chats/talk/attach", { ignored: 1 })).body).toMatchObject({ session_id: id });
    expect((await chat("talk")).current_session).toBe(id);
    await counts.daemon.post(`/sessions/${id}/prompt`, { text: "words=60 pause=50" });
    const view = await idle("talk");
    expect(view.session_chain).toEqual([first, id]);
    const session = (await counts.daemon.get(`/sessions/${id}`)).body;
    // It worked longer than it may be silent, and was not cut off.
    expect(session).toMatchObject({ status: "completed", turn_count: 1 });
    expect(counts.events(id).find(({ type }) => type === "result")?.data["status"]).toBe("success");
  });

  test("ends although its sidecar gives signs of life: those are nobody's words", async () => {
    // A sidecar gives one each 10 s: if they counted, this session would never end.
    await create("alive", { idle_timeout: "12s" });
    const { session_id } = (await counts.daemon.post("/chats/alive/attach")).body;
    await idle("alive");
    expect((await counts.daemon.get(`/sessions/${session_id}`)).body).toMatchObject({ status: "completed" });
  });

  test("makes room for a message when its turn is over", async () => {
    await create("room");
    const { session_id } = (await counts.daemon.post("/chats/room/attach")).body;
    await counts.daemon.post(`/sessions/${session_id}/prompt`, { text: "words=30 pause=20 talked" });
    const sent = await send("room", `${quick} message`);
    expect(sent.body).toMatchObject({ queued: true, session_id });
    const view = await idle("room");
    expect(view.session_chain).toEqual([session_id, sent.body.next_session]);
    expect(await given("room")).toEqual(["words=30 pause=20 talked", `${quick} message`]);
  });
});

describe("a message that waits", () => {
  const waiting = async (name: string) => {
    const { session_id } = (await send(name, long)).body;
    await answering(session_id);
    await send(name, `${quick} waits`);
    return session_id;
  };

  test("and whose session can never be begun is told of as failed, and holds nothing up", async () => {
    const dir = await tempDir();
    const folder = join(await realpath(dir.path), "project");
    await mkdir(folder);
    await create("fails", { work_dir: folder });
    const session_id = await waiting("fails");
    await rm(folder, { recursive: true });
    await counts.daemon.post(`/sessions/${session_id}/interrupt`);
    const view = await idle("fails");
    expect(view.session_chain).toEqual([session_id]);
    const { messages } = (await counts.daemon.get("/chats/fails/messages?limit=2")).body;
    expect(messages).toMatchObject([
      { type: "user_message", data: { text: `${quick} waits` } },
      { type: "error", data: { code: "invalid_work_dir", retryable: false } },
    ]);
    await mkdir(folder);
    await send("fails", `${quick} after`);
    expect((await idle("fails")).session_chain.length).toBe(2);
    expect(await given("fails")).toEqual([long, `${quick} after`]);
    await dir.remove();
  });
});

describe("what was said", () => {
  test("is read back with people's words, in order, page by page", async () => {
    await create("read");
    expect((await counts.daemon.get("/chats/read/messages")).body).toEqual({ messages: [], total: 0, has_more: false });
    for (const word of ["one", "two", "three"]) {
      await send("read", `${quick} ${word}`);
      await idle("read");
    }
    const whole = (await counts.daemon.get("/chats/read/messages")).body;
    expect(whole.has_more).toBe(false);
    expect(whole.total).toBe(whole.messages.length);
    const words = whole.messages.filter((one: { type: string }) => one.type === "user_message");
    expect(words.map((one: { data: { text: string } }) => one.data.text)).toEqual(
      ["one", "two", "three"].map((word) => `${quick} ${word}`),
    );
    const types = new Set(whole.messages.map(({ type }: { type: string }) => type));
    expect([...types].sort()).toEqual(["agent_message", "result", "tool_result", "tool_use", "user_message"]);
    const offsets = whole.messages.map(({ offset }: { offset: number }) => offset);
    expect(offsets).toEqual([...offsets].sort((a, b) => a - b));
    for (const one of whole.messages) {
      expect(one.data.delta).not.toBe(true);
      expect(one.timestamp).toMatch(/^\d{4}-.*Z$/);
    }
    const pages = [];
    for (let before = ""; ; ) {
      const page = (await counts.daemon.get(`/chats/read/messages?limit=2${before}`)).body;
      expect(page.messages.length).toBeLessThanOrEqual(2);
      pages.unshift(...page.messages);
      if (!page.has_more) break;
      before = `&before=${page.before}`;
    }
    expect(pages).toEqual(whole.messages);
    const odd = (await counts.daemon.get("/chats/read/messages?limit=-3&before=x")).body;
    expect(odd).toEqual(whole);
  });

  test("has what the agent asked and what was answered", async () => {
    await create("asked", { permission_mode: "interactive" });
    const { session_id } = (await send("asked", "steps=1 words=1 pause=0 ask=1")).body;
    const [input] = await eventually(async () => {
      const { inputs } = (await counts.daemon.get(`/sessions/${session_id}`)).body;
      return inputs.length > 0 && inputs;
    });
    const answer = { decision: "deny", message: "not now" };
    await counts.daemon.put(`/sessions/${session_id}/inputs/${input.request_id}`, answer);
    await idle("asked");
    const { messages } = (await counts.daemon.get("/chats/asked/messages")).body;
    const told = messages.filter(({ type }: { type: string }) => type.startsWith("input_"));
    expect(told).toMatchObject([
      { type: "input_required", session_id, data: { request_id: input.request_id, tool: input.tool } },
      { type: "input_resolved", session_id, data: answer },
    ]);
  });

  test("stays readable when a session of it was deleted", async () => {
    await create("kept");
    const { session_id } = (await send("kept", `${quick} kept words`)).body;
    await idle("kept");
    await counts.daemon.delete(`/sessions/${session_id}`);
    expect((await counts.daemon.get("/chats/kept/messages")).text).toContain("kept words");
  });

  test("includes a message that waits", async () => {
    await create("waits");
    const { session_id } = (await send("waits", long)).body;
    await send("waits", `${quick} waiting`);
    const { messages } = (await counts.daemon.get("/chats/waits/messages?limit=1")).body;
    expect(messages).toMatchObject([{ type: "user_message", data: { text: `${quick} waiting`, turn_id: null } }]);
    await answering(session_id);
    await counts.daemon.post(`/sessions/${session_id}/interrupt`);
    await idle("waits");
  });
});
