import { mkdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { covers, Scope } from "../../src/protocol/access.ts";
import { ClientSocket } from "../support/client-socket.ts";
import { eventually } from "../support/eventually.ts";
import { type Daemon, openSocket, requests, runCli, startDaemon } from "../support/start-daemon.ts";
import { tempDir } from "../support/temp-dir.ts";
import { call, routes } from "./routes.ts";

const agents = {
  echo: { command: process.execPath, args: [new URL("../fixtures/agents/echo.mjs", import.meta.url).pathname] },
  // Of chats to which nothing is said, so it is not started.
  chats: { harness: "claude", command: new URL("../fixtures/agents/claude-counts.mjs", import.meta.url).pathname },
};
const guarded = routes.filter(({ scope }) => scope !== "open");
const bearer = (token: string) => ({ authorization: `Bearer ${token}` });

let daemon: Daemon;
let sessionId: string;
const held: Record<Scope, string> = { read: "", write: "", admin: "" };
beforeAll(async () => {
  daemon = await startDaemon({ config: { agents } });
  for (const scope of Scope.options) held[scope] = await made(`holder-${scope}`, scope);
  sessionId = (await daemon.post("/sessions", { agent: "echo", interactive: true, prompt: "hi" })).body.session_id;
});
afterAll(async () => {
  await daemon?.stop();
});

async function made(name: string, scope: Scope, expires_in?: string): Promise<string> {
  const answer = await daemon.post("/tokens", { name, scope, ...(expires_in ? { expires_in } : {}) });
  expect([name, answer.status, answer.body.error]).toEqual([name, 201, undefined]);
  return answer.body.token;
}

const reach = async (token: string) =>
  Promise.all(
    guarded.map(async (route) => {
      const { status, error } = await call(daemon.url, route, bearer(token));
      return [`${route.method} ${route.pattern}`, status, error ?? ""] as const;
    }),
  );
/** HEAD has no body to tell the code in. */
const refusedEverywhere = (status: number, code: string) =>
  guarded.map(({ method, pattern }) => [`${method} ${pattern}`, status, method === "HEAD" ? "" : code]);

describe.each(guarded)("$method $pattern", (route) => {
  test.each(Scope.options)(
    `with the scope %s is ${route.scope === "read" ? "open" : `open from ${route.scope} on`}`,
    async (scope) => {
      const { status, error } = await call(daemon.url, route, bearer(held[scope]));
      if (route.scope !== "open" && covers(scope, route.scope)) expect([401, 403]).not.toContain(status);
      else expect([status, error]).toEqual([403, "insufficient_scope"]);
    },
  );

  test("is refused to a token that is wrong in one place, cut, or of another's id", async () => {
    const [, id = "", secret = ""] = /^agt_([0-9a-f]+)_(.+)$/.exec(held.admin) ?? [];
    const otherId = /^agt_([0-9a-f]+)_/.exec(held.read)?.[1] ?? "";
    const turned = (text: string) => (text.endsWith("A") ? `${text.slice(0, -1)}B` : `${text.slice(0, -1)}A`);
    const wrong = [
      `agt_${id}_${turned(secret.slice(0, 42))}${secret.slice(42)}`,
      held.admin.slice(0, -1),
      `agt_${otherId}_${secret}`,
      secret,
      id,
    ];
    for (const token of wrong) expect((await call(daemon.url, route, bearer(token))).status).toBe(401);
  });

  test("takes no token from the address, and a ticket only where it says so", async () => {
    for (const query of [`token=${held.admin}`, `access_token=${held.admin}`, `ticket=${held.admin}`])
      expect((await call(daemon.url, { ...route, path: `${route.path}?${query}` })).status).toBe(401);
    const { ticket } = (await daemon.post("/tickets", { session_id: sessionId })).body;
    const path = route.pattern.replace(":id", sessionId).replaceAll(/:\w+/g, "none");
    // A stream would not end, so only those are asked that must refuse; those that take one are tried below.
    if (route.takesTicket !== true)
      expect((await call(daemon.url, { ...route, path: `${path}?ticket=${ticket}` })).status).toBe(401);
  });
});

describe("on every route", () => {
  test("a revoked token is refused, from the answer to its revocation on", async () => {
    const token = await made("short", "admin");
    expect((await daemon.delete("/tokens/short")).body).toEqual({ name: "short", status: "revoked" });
    expect(await reach(token)).toEqual(refusedEverywhere(401, "unauthorized"));
    expect((await daemon.delete("/tokens/short")).body.error).toBe("token_not_found");
  });

  test("a replaced token is refused and the new one is good", async () => {
    const old = await made("turning", "admin");
    const next = (await daemon.post("/tokens/turning/rotate")).body;
    expect(next).toMatchObject({ name: "turning", scope: "admin", expires_at: null });
    expect(await reach(old)).toEqual(refusedEverywhere(401, "unauthorized"));
    for (const [, status] of await reach(next.token)) expect([401, 403]).not.toContain(status);
  });

  test("an expired token is refused", async () => {
    const token = await made("brief", "admin", "1s");
    expect((await requests(daemon.url, token).get("/sessions")).status).toBe(200);
    await eventually(async () => (await requests(daemon.url, token).get("/sessions")).status === 401);
    expect(await reach(token)).toEqual(refusedEverywhere(401, "unauthorized"));
    const listed = (await daemon.get("/tokens")).body.find(({ name }: { name: string }) => name === "brief");
    expect(listed).toMatchObject({ is_expired: true });
    // A new one lives as long again.
    const next = (await daemon.post("/tokens/brief/rotate")).body;
    expect((await requests(daemon.url, next.token).get("/sessions")).status).toBe(200);
  });
});

describe("on a socket", () => {
  test("a socket that may only read is told so, and what it sends is not done", async () => {
    const socket = await openSocket({ url: daemon.url, token: held.read, id: sessionId });
    await socket.frame("connected");
    const frames = [
      { type: "prompt", data: "x" },
      { type: "stdin", data: "x" },
      { type: "steer", data: "x" },
      { type: "interrupt" },
      { type: "context", context: { text: "x" } },
      { type: "mention", mention: { file_path: "x" } },
      { type: "withdraw", turn_id: "t1" },
      { type: "respond", request_id: "r", decision: "deny" },
    ];
    for (const frame of frames) socket.send(frame);
    socket.send({ type: "resize", cols: 1, rows: 1 });
    await eventually(() => socket.frames.filter(({ type }) => type === "error").length === frames.length);
    for (const frame of socket.frames) if (frame.type === "error") expect(frame.code).toBe("insufficient_scope");
    socket.send({ type: "ping" });
    await socket.frame("pong");
    expect(socket.frames.some(({ type }) => type === "accepted")).toBe(false);
    await socket.close();
  });
});

describe("a ticket", () => {
  const ask = async (token: string, body: object) => requests(daemon.url, token).post("/tickets", body);
  const socketUrl = () => `${daemon.url.replace("http", "ws")}/ws/sessions/${sessionId}`;

  test("opens one stream, once", async () => {
    const { ticket } = (await ask(held.write, { session_id: sessionId })).body;
    const socket = await ClientSocket.open(`${socketUrl()}?ticket=${ticket}&since=0`);
    socket.send({ type: "prompt", data: "by ticket" });
    await socket.frame("accepted");
    await socket.close();
    await expect(ClientSocket.open(`${socketUrl()}?ticket=${ticket}`)).rejects.toThrow(/401/);
    for (const path of [`/sessions/${sessionId}/events?since=0`, `/sessions/${sessionId}/stream?offset=-1`]) {
      const { ticket } = (await ask(held.read, { session_id: sessionId })).body;
      const controller = new AbortController();
      const response = await fetch(`${daemon.url}${path}&ticket=${ticket}`, { signal: controller.signal });
      expect(response.status).toBe(200);
      controller.abort();
      expect((await fetch(`${daemon.url}${path}&ticket=${ticket}`)).status).toBe(401);
    }
  });

  test("is of one session, and spent by being tried on another", async () => {
    const other = (await daemon.post("/sessions", { agent: "echo", interactive: true })).body.session_id;
    const { ticket } = (await ask(held.read, { session_id: other })).body;
    await expect(ClientSocket.open(`${socketUrl()}?ticket=${ticket}`)).rejects.toThrow(/401/);
    await expect(ClientSocket.open(`${socketUrl().replace(sessionId, other)}?ticket=${ticket}`)).rejects.toThrow(/401/);
  });

  test("holds no more than its giver, and goes with its giver's token", async () => {
    expect((await ask(held.read, { session_id: sessionId, scope: "write" })).body.error).toBe("insufficient_scope");
    const token = await made("giver", "write");
    const narrow = (await ask(token, { session_id: sessionId, scope: "read" })).body.ticket;
    const unused = (await ask(token, { session_id: sessionId })).body.ticket;
    const socket = await ClientSocket.open(`${socketUrl()}?ticket=${narrow}`);
    socket.send({ type: "prompt", data: "x" });
    expect((await socket.frame("error")).code).toBe("insufficient_scope");
    await daemon.delete("/tokens/giver");
    expect(await socket.ended()).toMatchObject({ code: 1008 });
    await expect(ClientSocket.open(`${socketUrl()}?ticket=${unused}`)).rejects.toThrow(/401/);
  });

  test("of a chat opens that chat's socket, once", async () => {
    expect((await daemon.post("/chats", { name: "spoken", config: { agent: "chats" } })).status).toBe(201);
    const url = `${daemon.url.replace("http", "ws")}/ws/chats/spoken?session=next`;
    const { ticket } = (await ask(held.write, { chat: "spoken", scope: "read" })).body;
    const socket = await ClientSocket.open(`${url}&ticket=${ticket}`);
    socket.send({ type: "prompt", data: "by a ticket that may only read" });
    expect((await socket.frame("error")).code).toBe("insufficient_scope");
    await socket.close();
    await expect(ClientSocket.open(`${url}&ticket=${ticket}`)).rejects.toThrow(/401/);
    expect((await daemon.get("/chats/spoken")).body.session_chain).toEqual([]);
  });

  test("is refused for what there is not, for nothing, and for two things at once", async () => {
    expect((await ask(held.read, { session_id: "none" })).body.error).toBe("session_not_found");
    expect((await ask(held.read, { chat: "none" })).body.error).toBe("chat_not_found");
    for (const body of [{}, { session_id: sessionId, chat: "spoken" }])
      expect((await ask(held.read, body)).body).toMatchObject({
        error: "invalid_request",
        message: expect.stringContaining("name either session_id or chat"),
      });
  });
});

describe("the token of the token file", () => {
  const path = (of: Daemon) => join(of.dataDir, "token");

  test("is replaced without a restart: the old one is refused everywhere, and what it had open is closed", async () => {
    const own = await startDaemon({ config: { agents } });
    const named = (await own.post("/tokens", { name: "named", scope: "admin" })).body.token;
    const { session_id } = (await own.post("/sessions", { agent: "echo", interactive: true })).body;
    const { ticket } = (await own.post("/tickets", { session_id })).body;
    const [byFile, byName] = await Promise.all([
      own.ws(session_id),
      openSocket({ url: own.url, token: named, id: session_id }),
    ]);
    const answer = await own.post("/tokens/token-file/rotate");
    expect(answer).toMatchObject({
      status: 200,
      body: { name: "token-file", scope: "admin", expires_at: null, is_expired: false },
    });
    const { token } = answer.body;
    expect((await readFile(path(own), "utf8")).trim()).toBe(token);
    expect((await stat(path(own))).mode & 0o777).toBe(0o600);
    expect(await byFile.ended()).toMatchObject({ code: 1008 });
    for (const route of guarded) {
      const { status } = await call(own.url, route, bearer(own.token));
      expect([route.pattern, status]).toEqual([route.pattern, 401]);
    }
    expect(
      (await call(own.url, { method: "GET", path: `/ws/sessions/${session_id}?ticket=${ticket}`, isUpgrade: true }))
        .status,
    ).toBe(401);
    byName.send({ type: "ping" });
    await byName.frame("pong");
    expect((await requests(own.url, token).get(`/sessions/${session_id}`)).body.status).toBe("running");
    // Commands read the file, and one that was begun with the old token goes on with the new one.
    const cli = await runCli(["ls"], { AGENTRUNTIME_DATA_DIR: own.dataDir });
    expect([cli.exitCode, cli.stdout]).toEqual([0, expect.stringContaining("echo")]);
    expect(own.output()).not.toContain(token);
    await byName.close();
    await own.kill9();
    const next = await startDaemon({ dataDir: own.dataDir });
    expect([next.token, (await requests(next.url, own.token).get("/sessions")).status]).toEqual([token, 401]);
    await next.stop();
    await own.stop();
  });

  test("is replaced at the command line by whoever has it, and by no other scope", async () => {
    const own = await startDaemon();
    const writer = (await own.post("/tokens", { name: "writer", scope: "write" })).body.token;
    expect((await requests(own.url, writer).post("/tokens/token-file/rotate")).body.error).toBe("insufficient_scope");
    const rotated = await own.cli("token", "rotate", "token-file");
    expect([rotated.exitCode, rotated.stdout]).toEqual([0, (await readFile(path(own), "utf8")).trim()]);
    expect(rotated.stderr).toContain("It stands in the token file too");
    expect((await own.get("/sessions")).status).toBe(401);
    await own.stop();
  });

  test("stays as it is when the file cannot be written", async () => {
    const dir = await tempDir();
    const file = join(dir.path, "token");
    await writeFile(file, "0123456789abcdef0123");
    const own = await startDaemon({ config: { token_file: file } });
    const asFile = requests(own.url, "0123456789abcdef0123");
    // A folder in the draft's place cannot be opened as a file, whoever asks.
    await mkdir(`${file}.new`);
    expect((await asFile.post("/tokens/token-file/rotate")).body.error).toBe("token_not_written");
    expect((await asFile.get("/sessions")).status).toBe(200);
    await rm(`${file}.new`, { recursive: true });
    expect((await asFile.post("/tokens/token-file/rotate")).status).toBe(200);
    await own.stop();
    await dir.remove();
  });
});

describe("tokens", () => {
  test("are kept as digests, survive a restart, and are revoked for good", async () => {
    const first = await startDaemon();
    const create = async (name: string) => (await first.post("/tokens", { name, scope: "read" })).body.token;
    const [kept, gone] = [await create("kept"), await create("gone")];
    await first.delete("/tokens/gone");
    await first.kill9();
    const files = await Promise.all(["state.db", "state.db-wal"].map((name) => readFile(join(first.dataDir, name))));
    for (const token of [kept, gone]) {
      expect(Buffer.concat(files).includes(token.slice(-20))).toBe(false);
      expect(first.output()).not.toContain(token.slice(-20));
    }
    const second = await startDaemon({ dataDir: first.dataDir });
    expect((await requests(second.url, kept).get("/sessions")).status).toBe(200);
    expect((await requests(second.url, gone).get("/sessions")).status).toBe(401);
    await second.stop();
    await first.stop();
  });

  test.each([
    ["a name of agentd's own", { name: "token-file", scope: "read" }],
    ["capitals", { name: "Ops", scope: "read" }],
    ["a path", { name: "../x", scope: "read" }],
    ["no scope", { name: "x" }],
    ["an unknown scope", { name: "x", scope: "root" }],
    ["a life without a unit", { name: "x", scope: "read", expires_in: "90" }],
    ["no life at all", { name: "x", scope: "read", expires_in: "0d" }],
  ])("are refused with %s", async (_what, body) => {
    const { status, body: answer } = await daemon.post("/tokens", body);
    expect([status, answer.error]).toEqual([400, "invalid_request"]);
  });

  test("of one name are made once, also when two ask at the same time", async () => {
    const answers = await Promise.all([1, 2, 3].map(() => daemon.post("/tokens", { name: "one", scope: "read" })));
    expect(answers.map(({ status }) => status).sort()).toEqual([201, 409, 409]);
  });

  test("are made, listed, replaced and revoked at the command line", async () => {
    const created = await daemon.cli("token", "create", "desk", "--scope", "write", "--expires", "90d");
    expect(created.stdout).toMatch(/^agt_\S+$/);
    expect(created.stderr).toMatch(/^Token "desk" with the scope write, good until \d{4}-/);
    const withIt = (...args: string[]) => ["--url", daemon.url, ...args];
    expect((await daemon.cli("ls", ...withIt())).exitCode).toBe(0);
    expect((await daemon.cli("token", "ls")).stdout).toMatch(/^desk {2,}write {2}made .* good until /m);
    expect((await daemon.cli("token", "ls")).stdout).not.toContain("agt_");
    const replaced = await daemon.cli("token", "rotate", "desk");
    expect(replaced.stdout).not.toBe(created.stdout);
    expect((await requests(daemon.url, created.stdout).get("/sessions")).status).toBe(401);
    expect((await requests(daemon.url, replaced.stdout).get("/sessions")).status).toBe(200);
    expect((await daemon.cli("token", "revoke", "desk")).exitCode).toBe(0);
    expect((await daemon.cli("token", "revoke", "desk")).stderr).toContain('Cannot find the token "desk"');
    expect((await daemon.cli("token")).stdout).toBe(daemon.token);
    expect((await daemon.cli("token", "--data-dir", daemon.dataDir)).stdout).toBe(daemon.token);
  });
});
