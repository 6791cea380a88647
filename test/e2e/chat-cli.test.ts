/** `agentd chat` and `client.chats`, against a real daemon and the counting agent. */
import { once } from "node:events";
import { execa } from "execa";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { AgentdError, createClient } from "../../src/client/client.ts";
import { type CountsDaemon, startCountsDaemon } from "../support/counts-daemon.ts";
import { eventually } from "../support/eventually.ts";
import { agentdPath } from "../support/start-daemon.ts";

let counts: CountsDaemon;
beforeAll(async () => {
  counts = await startCountsDaemon();
});
afterAll(() => counts.stop());

const quick = "words=1 pause=0";
const long = "words=2000 pause=50";
const cli = (...args: string[]) => counts.daemon.cli("chat", ...args);
const idle = (name: string) =>
  eventually(async () => (await counts.daemon.get(`/chats/${name}`)).body.state === "idle", { deadlineMs: 30_000 });
const answering = (id: string) => counts.until(id, (events) => events.some(({ type }) => type === "agent_message"));

describe("agentd chat", () => {
  test("creates a chat, and says so when there is one, or nothing to make it of", async () => {
    expect(await cli("list")).toMatchObject({ exitCode: 0, stderr: 'No chats. "agentd chat create" makes one' });
    const made = await cli("create", "made", "--agent", "counts", "--model", "m", "--idle-timeout", "5m");
    expect(made).toMatchObject({ exitCode: 0, stderr: 'Created chat "made"' });
    expect((await counts.daemon.get("/chats/made")).body.config).toEqual({
      agent: "counts",
      model: "m",
      idle_timeout: "5m",
    });
    const again = await cli("create", "made", "--agent", "counts");
    expect([again.exitCode, again.stderr]).toEqual([1, expect.stringContaining("chat already exists")]);
    expect((await cli("create", "nameless")).exitCode).toBe(2);
    expect((await cli()).exitCode).toBe(2);
    expect((await cli("shout", "made")).exitCode).toBe(2);
  });

  test("sends a message and shows its answer, one after the other", async () => {
    const first = await cli("send", "made", `${quick} one`, "--follow");
    expect(first.exitCode).toBe(0);
    expect(first.stderr).toMatch(/^session=[0-9a-f-]{36} state=running$/m);
    expect(first.stdout).toContain(`› ${quick} one`);
    expect(first.stdout).toContain("#1 ");
    await idle("made");
    const second = await cli("send", "-f", "made", quick, "two");
    expect(second.stdout).toContain(`› ${quick} two`);
    await idle("made");
    const { stdout } = await cli("list");
    const [head = "", line = ""] = stdout.split("\n");
    expect(head.split(/\s{2,}/)).toEqual(["NAME", "STATE", "AGENT", "SESSIONS", "LAST ACTIVE"]);
    expect(line).toMatch(/^made\s+idle\s+counts\s+2\s+\d{4}-\d{2}-\d{2} \d{2}:\d{2}$/);
    expect(JSON.parse((await cli("list", "--json")).stdout)).toMatchObject([{ name: "made", session_count: 2 }]);
  });

  test("waits with a message while the chat is busy, and shows it when it is its turn", async () => {
    await cli("create", "queue", "--agent", "counts");
    const { session_id } = (await counts.daemon.post("/chats/queue/messages", { message: long })).body;
    await answering(session_id);
    const waiting = cli("send", "queue", `${quick} waited`, "--follow");
    await eventually(async () => (await counts.daemon.get("/chats/queue")).body.next_session !== undefined);
    const refused = await cli("send", "queue", "too much");
    expect([refused.exitCode, refused.stderr]).toEqual([1, expect.stringContaining("chat is busy")]);
    await counts.daemon.post(`/sessions/${session_id}/interrupt`);
    const shown = await waiting;
    expect(shown.exitCode).toBe(0);
    expect(shown.stderr).toContain("it waits for the one before");
    expect(shown.stdout).toContain(`› ${quick} waited`);
  });

  test("is a name for the session that runs in it, where a session is asked for", async () => {
    const { session_id } = (await counts.daemon.post("/chats/queue/messages", { message: long })).body;
    await answering(session_id);
    const attached = counts.daemon.cli("attach", "queue", "--json");
    await once(attached.stdout, "data");
    await counts.daemon.post(`/sessions/${session_id}/interrupt`);
    expect((await attached).stdout).toContain('"type":"exit"');
    await idle("queue");
    const refused = await counts.daemon.cli("attach", "queue");
    expect([refused.exitCode, refused.stderr]).toEqual([1, expect.stringContaining("agentd chat attach queue")]);
    expect((await counts.daemon.cli("attach", "no-such-thing")).stderr).toContain("There is no session");
  });

  test("tells what was said", async () => {
    const { stdout } = await cli("history", "made");
    expect(stdout.indexOf(`› ${quick} one`)).toBeGreaterThanOrEqual(0);
    expect(stdout.indexOf(`› ${quick} two`)).toBeGreaterThan(stdout.indexOf(`› ${quick} one`));
    const last = (await cli("history", "made", "--last", "1", "--json")).stdout;
    expect(JSON.parse(last)).toMatchObject({ type: "result", data: { status: "success" } });
    expect(await cli("history", "none")).toMatchObject({
      exitCode: 1,
      stderr: expect.stringContaining("chat not found"),
    });
  });

  test("is talked in: lines are prompts of one session, which ends with its input", async () => {
    await cli("create", "talk", "--agent", "counts");
    const child = execa(process.execPath, [agentdPath, "chat", "attach", "talk", "--data-dir", counts.daemon.dataDir], {
      env: { NO_COLOR: "1" },
      input: `${quick} first\n${quick} second\n`,
      reject: false,
      timeout: 50_000,
    });
    const { stdout, exitCode } = await child;
    expect(exitCode).toBe(0);
    expect(stdout).toContain(`› ${quick} first`);
    expect(stdout).toContain(`› ${quick} second`);
    await idle("talk");
    expect((await counts.daemon.get("/chats/talk")).body.session_chain.length).toBe(1);
  });

  test("deletes a chat, and its sessions when asked", async () => {
    const { session_chain } = (await counts.daemon.get("/chats/made")).body;
    expect(await cli("delete", "made", "--remove-volume")).toMatchObject({
      exitCode: 0,
      stderr: 'Deleted chat "made"',
    });
    expect((await counts.daemon.get(`/sessions/${session_chain[0]}`)).status).toBe(404);
    expect((await cli("delete", "made")).exitCode).toBe(1);
  });
});

describe("client.chats", () => {
  const client = () => createClient({ url: counts.daemon.url, token: counts.daemon.token });

  test("creates, sends, waits, reads back, changes and deletes", async () => {
    const chat = await client().chats.create({ name: "lib", config: { agent: "counts" } });
    const message = await chat.send(`${quick} from the library`);
    expect(message.isQueued).toBe(false);
    expect(await message.result()).toMatchObject({ status: "success" });
    await idle("lib");
    expect((await chat.view()).session_chain).toEqual([message.sessionId]);
    const said = await chat.history();
    expect(said[0]).toMatchObject({ type: "user_message", data: { text: `${quick} from the library` } });
    expect((await chat.messages({ limit: 1 })).messages).toEqual([said.at(-1)]);
    expect((await chat.change({ model: "m" })).config).toEqual({ agent: "counts", model: "m" });
    expect((await client().chats.list()).map(({ name }) => name)).toContain("lib");
    await chat.delete({ withSessions: true });
    await expect(chat.view()).rejects.toMatchObject({ code: "chat_not_found" });
    await expect(client().chats.at("none").send("x")).rejects.toBeInstanceOf(AgentdError);
  });

  test("waits for the session of a message that waits, and talks in one of its own", async () => {
    const chat = await client().chats.create({ name: "lib2", config: { agent: "counts" } });
    const first = await chat.send(long);
    await answering(first.sessionId);
    const second = await chat.send(quick);
    expect(second.isQueued).toBe(true);
    const result = second.result();
    await expect(chat.send("too much")).rejects.toMatchObject({ code: "chat_busy" });
    await (await first.session()).interrupt();
    expect(await result).toMatchObject({ status: "success" });
    await idle("lib2");
    const session = await chat.attach();
    expect(await (await session.prompt(quick)).result()).toMatchObject({ status: "success" });
    await chat.delete();
  });
});
