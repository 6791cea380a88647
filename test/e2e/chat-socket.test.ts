/** The WebSocket of a chat: what is seen of one session after the other, and what may be said. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { ClientSocket } from "../support/client-socket.ts";
import { type CountsDaemon, startCountsDaemon } from "../support/counts-daemon.ts";
import { eventually } from "../support/eventually.ts";

let counts: CountsDaemon;
beforeAll(async () => {
  counts = await startCountsDaemon();
});
afterAll(() => counts.stop());

const quick = "words=1 pause=0";

const create = async (name: string) =>
  expect((await counts.daemon.post("/chats", { name, config: { agent: "counts" } })).status).toBe(201);

function open(name: string, query = "", token = counts.daemon.token): Promise<ClientSocket> {
  const url = `${counts.daemon.url.replace(/^http/, "ws")}/ws/chats/${name}${query}`;
  return ClientSocket.open(url, { headers: { authorization: `Bearer ${token}` } });
}

const named = (socket: ClientSocket) =>
  socket.frames.flatMap((frame) => (frame.type === "session" ? [frame.session_id] : []));
const exits = (socket: ClientSocket, count: number) =>
  eventually(() => socket.frames.filter(({ type }) => type === "exit").length >= count, { deadlineMs: 30_000 });
const idle = (name: string) =>
  eventually(async () => (await counts.daemon.get(`/chats/${name}`)).body.state === "idle", { deadlineMs: 30_000 });

test("follows the chat from session to session, each from its beginning, and stays open in between", async () => {
  await create("follow");
  const socket = await open("follow", "?session=next");
  socket.send({ type: "stdin", data: `${quick} one\n` });
  const accepted = await socket.frame("accepted");
  await exits(socket, 1);
  await idle("follow");
  const second = await counts.daemon.post("/chats/follow/messages", { message: `${quick} two` });
  await exits(socket, 2);
  const chain = [accepted.session_id, second.body.session_id];
  expect(named(socket)).toEqual(chain);
  expect(socket.closed).toBeUndefined();
  // Every line of both logs, each once.
  expect(socket.events).toEqual(chain.flatMap((id) => counts.events(id ?? "")));
  const kinds = socket.frames.map(({ type }) => type).filter((type) => ["session", "connected", "exit"].includes(type));
  expect(kinds).toEqual(["session", "connected", "exit", "session", "connected", "exit"]);
  await counts.daemon.delete("/chats/follow");
  expect(await socket.ended()).toMatchObject({ code: 1000, reason: "the chat was deleted" });
});

test("goes on where a reader left off, through the sessions since", async () => {
  await create("resume");
  const ids: string[] = [];
  for (const word of ["one", "two", "three"]) {
    ids.push((await counts.daemon.post("/chats/resume/messages", { message: `${quick} ${word}` })).body.session_id);
    await idle("resume");
  }
  const size = counts.events(ids[0] ?? "").length;
  const since = (await counts.daemon.get(`/sessions/${ids[1]}`)).body.log_bytes;
  const socket = await open("resume", `?session=${ids[0]}&since=0`);
  await exits(socket, 3);
  expect(named(socket)).toEqual(ids);
  expect(socket.events.slice(0, size)).toEqual(counts.events(ids[0] ?? ""));
  expect(socket.events.length).toBe(ids.reduce((sum, id) => sum + counts.events(id).length, 0));
  const later = await open("resume", `?session=${ids[1]}&since=${since}`);
  await exits(later, 2);
  expect(later.events).toEqual(counts.events(ids[2] ?? ""));
  await Promise.all([socket.close(), later.close()]);
});

test("takes one message while another is answered, and steers and interrupts the session that runs", async () => {
  await create("speak");
  const first = (await counts.daemon.post("/chats/speak/messages", { message: "words=2000 pause=50" })).body.session_id;
  const socket = await open("speak", "?since=0");
  expect((await socket.frame("session")).session_id).toBe(first);
  await socket.event(({ type }) => type === "agent_message");
  socket.send({ type: "prompt", data: `${quick} queued` });
  expect(await socket.frame("accepted")).toMatchObject({ position: 1, turn_id: "t1" });
  socket.send({ type: "prompt", data: "too much" });
  expect((await socket.frame("error")).code).toBe("chat_busy");
  socket.send({ type: "ping" });
  await socket.frame("pong");
  socket.send({ type: "interrupt" });
  await exits(socket, 2);
  expect(named(socket).length).toBe(2);
  socket.send({ type: "steer", data: "there is nothing to steer" });
  await eventually(() => socket.frames.some((frame) => frame.type === "error" && frame.code === "session_ended"));
  await socket.close();
});

test("is refused where there is nothing to see, and to those who may not", async () => {
  await create("quiet");
  const refused = async (name: string, query = "") => {
    const url = `/ws/chats/${name}${query}`;
    const { status, body } = await counts.daemon.get(url);
    return [status, body.error];
  };
  expect(await refused("none")).toEqual([404, "chat_not_found"]);
  expect(await refused("quiet")).toEqual([409, "chat_not_running"]);
  expect(await refused("quiet", "?session=11111111-0000-4000-8000-000000000000")).toEqual([404, "session_not_found"]);
  expect(await refused("quiet", "?session=next")).toEqual([426, "upgrade_required"]);
  const { token } = (await counts.daemon.post("/tokens", { name: "reader", scope: "read" })).body;
  const socket = await open("quiet", "?session=next", token);
  socket.send({ type: "prompt", data: "may I?" });
  expect((await socket.frame("error")).code).toBe("insufficient_scope");
  await counts.daemon.delete("/tokens/reader");
  expect((await socket.ended()).code).toBe(1008);
});

test("a daemon that leaves says to come again", async () => {
  await create("later");
  const socket = await open("later", "?session=next");
  await counts.daemon.leave();
  expect((await socket.ended()).code).toBe(1012);
  await counts.restart();
  expect((await counts.daemon.get("/chats/later")).body.state).toBe("created");
});
