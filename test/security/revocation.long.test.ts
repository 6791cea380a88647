/** What is under way when its token is revoked, replaced or expires ends with it: looked for on every route of the table. */
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { ClientSocket } from "../support/client-socket.ts";
import { eventually } from "../support/eventually.ts";
import { type Daemon, openSocket, requests, startDaemon } from "../support/start-daemon.ts";
import { open } from "./attacks/raw.ts";
import { routes } from "./routes.ts";

const agents = {
  echo: { command: process.execPath, args: [new URL("../fixtures/agents/echo.mjs", import.meta.url).pathname] },
  // Of a chat to which nothing is said, so it is not started.
  chats: { harness: "claude", command: new URL("../fixtures/agents/claude-counts.mjs", import.meta.url).pathname },
};
/** More than the sockets of both ends take in while nobody reads. */
const largeBytes = 24 * 1024 * 1024;

let daemon: Daemon;
let sessionId: string;
beforeAll(async () => {
  daemon = await startDaemon({ config: { agents, limits: { body_bytes: 2 * largeBytes } } });
  const prompt = `lines ${Math.ceil(largeBytes / 200)}`;
  sessionId = (await daemon.post("/sessions", { agent: "echo", interactive: true, prompt })).body.session_id;
  const blobs = join(daemon.dataDir, "sessions", sessionId, "blobs");
  await mkdir(blobs, { recursive: true });
  await writeFile(join(blobs, "large"), Buffer.alloc(largeBytes));
  const imported = await daemon.post("/chats/import", { export: largeChat() });
  expect(imported.status, imported.text).toBe(201);
  // From here on nothing comes that somebody waits for.
  const lastLine = `${Math.ceil(largeBytes / 200)} xxx`;
  const tail = async () => (await daemon.get(`/sessions/${sessionId}/log`, { headers: { range: "bytes=-2000" } })).text;
  await eventually(async () => (await tail()).includes(lastLine), { deadlineMs: 50_000 });
});
afterAll(async () => {
  await daemon?.stop();
});

/** The export of a chat called `large`. */
function largeChat(): string {
  const timestamp = new Date(0).toISOString();
  const head = { type: "chat", version: 1, name: "large", config: { agent: "chats" }, created_at: timestamp };
  const data = { text: "x".repeat(10_000) };
  const messages = Array.from({ length: Math.ceil(largeBytes / 10_000) }, (_, offset) => {
    return { session_id: "none", type: "stdout", data, offset, timestamp };
  });
  return [head, ...messages].map((line) => `${JSON.stringify(line)}\n`).join("");
}

interface Way {
  method?: string;
  path: string;
  /** All of it but its first character is sent later. */
  body?: string;
  /** It is begun when this has come. */
  until?: RegExp;
  /** What becomes of it when its token stays. */
  leftAlone: string;
}

interface Begun {
  outcome: Promise<string>;
  goOn(): void;
}

const goAhead = "HTTP/1.1 100 Continue\r\n\r\n";

/** Asked for a go-ahead, the daemon gives it when it has the head: what is done from then on happens in the midst of the request. */
async function begin(token: string, { method = "GET", path, body = "", until = /^/ }: Way): Promise<Begun> {
  const socket = open(daemon.url);
  const chunks: Buffer[] = [];
  const said = () => Buffer.concat(chunks).toString("latin1");
  let isSlow = true;
  socket.on("data", (chunk: Buffer) => {
    chunks.push(chunk);
    if (isSlow && Buffer.concat(chunks).length > goAhead.length) socket.pause();
  });
  socket.on("error", () => undefined);
  const outcome = new Promise<string>((resolve) => socket.on("close", () => resolve(outcomeOf(said()))));
  const type = body === "" ? "" : "Content-Type: application/json\r\n";
  const head = `${method} ${path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${token}\r\nConnection: close\r\nExpect: 100-continue\r\n`;
  socket.write(`${head}${type}Content-Length: ${body.length}\r\n\r\n${body.slice(0, 1)}`);
  await eventually(() => said().startsWith(goAhead) && until.test(said()), { what: `the beginning of ${path}` });
  const goOn = () => {
    if (socket.writable) socket.write(body.slice(1));
    isSlow = false;
    socket.resume();
  };
  return { outcome, goOn };
}

function outcomeOf(said: string): string {
  const [, status = "", head = "", body = ""] =
    /^HTTP\/1\.1 (\d+)(.*?)\r\n\r\n(.*)$/s.exec(said.slice(goAhead.length)) ?? [];
  const length = /\r\ncontent-length: (\d+)/i.exec(head)?.[1];
  const isWhole = length === undefined ? body.endsWith("0\r\n\r\n") : body.length === Number(length);
  return status !== "" && isWhole ? `answered ${status}` : "cut off";
}

const beginAll = (token: string, ways: readonly Way[]) => Promise.all(ways.map((way) => begin(token, way)));

/** Each way is cut off by each end of its token; those with another token are left alone until that is revoked too. */
async function expectEnds(name: string, ways: readonly Way[]): Promise<void> {
  const made = async (of: string, expires_in?: string): Promise<string> =>
    (await daemon.post("/tokens", { name: `${name}-${of}`, scope: "admin", ...(expires_in ? { expires_in } : {}) }))
      .body.token;
  const staying = await beginAll(await made("staying"), ways);
  const ends = {
    revoked: () => daemon.delete(`/tokens/${name}-revoked`),
    replaced: () => daemon.post(`/tokens/${name}-replaced/rotate`),
    expired: (token: string) =>
      eventually(async () => (await requests(daemon.url, token).get("/sessions")).status === 401),
  };
  for (const [how, end] of Object.entries(ends)) {
    const token = await made(how, how === "expired" ? "5s" : undefined);
    const begun = await beginAll(token, ways);
    await end(token);
    for (const { goOn } of begun) goOn();
    const found = await Promise.all(begun.map(async ({ outcome }, at) => [how, ways[at]?.path, await outcome]));
    expect(found).toEqual(ways.map(({ path }) => [how, path, "cut off"]));
  }
  for (const { goOn } of staying) goOn();
  for (const [at, { path, leftAlone }] of ways.entries()) {
    const outcome = staying[at]?.outcome;
    const found = leftAlone === "goes on" ? await Promise.race([outcome, leftAlone]) : await outcome;
    expect([path, found]).toEqual([path, leftAlone]);
  }
  await daemon.delete(`/tokens/${name}-staying`);
  for (const { outcome } of staying) await outcome;
}

test("a request whose body is on its way is cut off, on every route that takes one", async () => {
  const changing = routes.filter(({ act }) => act !== undefined);
  expect(changing.length).toBeGreaterThan(15);
  const ways = changing.map(({ method, path }) => {
    // Refused when it is read, so that nothing comes of it, whose token ever it has.
    return { method, path, body: "[[]", leftAlone: "answered 400" };
  });
  await expectEnds("body", ways);
}, 120_000);

/** The routes that change nothing: how they are asked when their answer takes its time, or that it does not. */
const readings: Readonly<Record<string, readonly string[] | "at once">> = {
  "GET /metrics": "at once",
  "GET /agents": "at once",
  "GET /egress": "at once",
  "GET /sessions": "at once",
  "GET /sessions/history": "at once",
  "GET /sessions/:id": "at once",
  "GET /sessions/:id/info": "at once",
  "HEAD /sessions/:id/stream": "at once",
  "GET /tokens": "at once",
  "GET /chats": "at once",
  "GET /chats/:name": "at once",
  "GET /chats/:name/messages": "at once",
  "GET /chats/:name/export": ["/chats/large/export"],
  "GET /audit": ["/audit?after=1000000000&wait=60"],
  "GET /sessions/:id/logs": ["/sessions/:id/logs?cursor=999999999999&wait=60", "/sessions/:id/logs"],
  "GET /sessions/:id/log": ["/sessions/:id/log"],
  "GET /sessions/:id/blobs/:name": ["/sessions/:id/blobs/large"],
  "GET /sessions/:id/events": ["/sessions/:id/events?since=0", "/sessions/:id/events"],
  "GET /sessions/:id/stream": [
    "/sessions/:id/stream?offset=-1&live=sse",
    "/sessions/:id/stream?offset=now&live=sse",
    "/sessions/:id/stream?offset=now&live=long-poll",
  ],
  // Below, because they are spoken to in frames.
  "GET /ws/sessions/:id": [],
  "GET /ws/chats/:name": [],
};

test("an answer that takes its time is cut off, on every route that has one", async () => {
  const reading = routes.filter(({ act, scope }) => act === undefined && scope !== "open");
  expect(Object.keys(readings).sort()).toEqual(reading.map(({ method, pattern }) => `${method} ${pattern}`).sort());
  const paths = Object.values(readings).flatMap((found) => (found === "at once" ? [] : found));
  const ways = paths.map((path) => {
    const isFile = /\/(?:logs?|blobs\/large|export)$/.test(path);
    const isWait = /wait=|long-poll/.test(path);
    return {
      path: path.replace(":id", sessionId),
      leftAlone: isFile ? "answered 200" : "goes on",
      ...(isWait ? {} : { until: /HTTP\/1\.1 200 .*\r\n\r\n./s }),
    };
  });
  await expectEnds("answer", ways);
}, 120_000);

test("a chat's WebSocket is closed with 1008", async () => {
  const sockets = [];
  for (const how of ["revoked", "replaced", "expired"]) {
    const life = how === "expired" ? { expires_in: "5s" } : {};
    const { token } = (await daemon.post("/tokens", { name: `chat-${how}`, scope: "read", ...life })).body;
    const url = `${daemon.url.replace("http", "ws")}/ws/chats/large?session=next`;
    sockets.push(await ClientSocket.open(url, { headers: { authorization: `Bearer ${token}` } }));
  }
  await daemon.delete("/tokens/chat-revoked");
  await daemon.post("/tokens/chat-replaced/rotate");
  for (const socket of sockets) expect(await socket.ended()).toMatchObject({ code: 1008 });
});

test("a WebSocket is closed with 1008, and what it sends then is not done", async () => {
  const made = async (of: string, expires_in?: string) =>
    (await daemon.post("/tokens", { name: `socket-${of}`, scope: "write", ...(expires_in ? { expires_in } : {}) })).body
      .token;
  const attach = (token: string) => openSocket({ url: daemon.url, token, id: sessionId });
  const staying = await attach(await made("staying"));
  const sockets = {
    revoked: await attach(await made("revoked")),
    replaced: await attach(await made("replaced")),
    expired: await attach(await made("expired", "5s")),
  };
  await daemon.delete("/tokens/socket-revoked");
  await daemon.post("/tokens/socket-replaced/rotate");
  for (const [how, socket] of Object.entries(sockets)) {
    const { code, reason } = await socket.ended();
    expect([how, code, reason]).toEqual([how, 1008, expect.stringContaining(how)]);
    socket.send({ type: "prompt", data: `sent by one that was ${how}` });
  }
  staying.send({ type: "prompt", data: "sent by the one that stays" });
  await staying.frame("accepted");
  const { log_bytes } = (await daemon.get(`/sessions/${sessionId}`)).body;
  const { text } = await daemon.get(`/sessions/${sessionId}/logs?cursor=${Math.max(0, log_bytes - 10_000)}`);
  expect(text).toContain("sent by the one that stays");
  expect(text).not.toContain("sent by one that was");
  await staying.close();
});

test("a ticket that waits is good for nothing once its token has gone, in each way", async () => {
  const made = async (of: string, expires_in?: string) =>
    (await daemon.post("/tokens", { name: `giver-${of}`, scope: "read", ...(expires_in ? { expires_in } : {}) })).body
      .token;
  const ticketOf = async (token: string) =>
    (await requests(daemon.url, token).post("/tickets", { session_id: sessionId })).body.ticket;
  const statusWith = async (ticket: string) => {
    const gone = new AbortController();
    const { status } = await fetch(`${daemon.url}/sessions/${sessionId}/events?ticket=${ticket}`, {
      signal: gone.signal,
    });
    gone.abort();
    return status;
  };
  const brief = await made("expired", "5s");
  const tickets = {
    revoked: await ticketOf(await made("revoked")),
    replaced: await ticketOf(await made("replaced")),
    expired: await ticketOf(brief),
    staying: await ticketOf(await made("staying")),
  };
  await daemon.delete("/tokens/giver-revoked");
  await daemon.post("/tokens/giver-replaced/rotate");
  await eventually(async () => (await requests(daemon.url, brief).get("/sessions")).status === 401);
  const chatTickets: Record<string, string> = {};
  for (const how of ["going", "left"]) {
    const token = await made(`chat-${how}`);
    chatTickets[how] = (await requests(daemon.url, token).post("/tickets", { chat: "large" })).body.ticket;
  }
  await daemon.delete("/tokens/giver-chat-going");
  const chatUrl = (how: string) =>
    `${daemon.url.replace("http", "ws")}/ws/chats/large?session=next&ticket=${chatTickets[how]}`;
  await expect(ClientSocket.open(chatUrl("going"))).rejects.toThrow(/401/);
  await (await ClientSocket.open(chatUrl("left"))).close();
  const found = Object.entries(tickets).map(async ([how, ticket]) => [how, await statusWith(ticket)]);
  expect(await Promise.all(found)).toEqual([
    ["revoked", 401],
    ["replaced", 401],
    ["expired", 401],
    ["staying", 200],
  ]);
});
