/** Whoever reaches the address: with no token, with what is left of one, or with one that is good for less. */
import { createHash } from "node:crypto";
import { chmod, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { ClientSocket } from "../../support/client-socket.ts";
import { eventually } from "../../support/eventually.ts";
import { openSocket, requests, startDaemon } from "../../support/start-daemon.ts";
import { tempDir } from "../../support/temp-dir.ts";
import { call } from "../routes.ts";
import type { Attack, AttackGroup, Control } from "./attack.ts";
import { answered, fixture, Ground, said } from "./ground.ts";
import { statusesOf } from "./raw.ts";

type Row = Attack<Ground>;

const list = { path: "/sessions" };
const withToken: Control<Ground> = {
  name: "with the token in its header",
  meets: "200",
  attempt: (ground) => ground.outcome({ ...list, headers: ground.bearer("read") }),
};

/** Something else than the token, where the token belongs or elsewhere. */
function instead(name: string, headers: (ground: Ground) => Record<string, string>, path = "/sessions"): Row {
  return {
    name,
    meets: "401 `unauthorized`",
    attempt: (ground) => ground.outcome({ path, headers: headers(ground) }),
    control: withToken,
  };
}

const bearer = (token: string) => ({ authorization: `Bearer ${token}` });
const secretOf = (token: string) => token.replace(/^agt_[0-9a-f]+_/, "");
const idOf = (token: string) => /^agt_([0-9a-f]+)_/.exec(token)?.[1] ?? "";
/** Another letter in the midst of the secret. */
const turned = (token: string) => `${token.slice(0, 40)}${token[40] === "A" ? "B" : "A"}${token.slice(41)}`;

const withoutToken: Row[] = [
  instead("no token", () => ({})),
  instead("an empty token", () => ({ authorization: "Bearer " })),
  instead("a token with one letter changed", (g) => bearer(turned(g.tokens.admin))),
  instead("a token that is cut short", (g) => bearer(g.tokens.admin.slice(0, -1))),
  instead("a token with more behind it", (g) => bearer(`${g.tokens.admin} ${g.tokens.admin}`)),
  instead("the secret of a token without its id", (g) => bearer(secretOf(g.tokens.admin))),
  instead("the id of one token with the secret of another", (g) =>
    bearer(`agt_${idOf(g.tokens.admin)}_${secretOf(g.tokens.read)}`),
  ),
  instead("the digest of a token, as the store has it", (g) =>
    bearer(createHash("sha256").update(g.tokens.admin).digest("hex")),
  ),
  instead("a token as the password of Basic", (g) => ({
    authorization: `Basic ${Buffer.from(`agentd:${g.tokens.admin}`).toString("base64")}`,
  })),
  instead("a token in a cookie", (g) => ({ cookie: `token=${g.tokens.admin}; authorization=${g.tokens.admin}` })),
  instead("a token in X-Api-Key and Proxy-Authorization", (g) => ({
    "x-api-key": g.tokens.admin,
    "proxy-authorization": `Bearer ${g.tokens.admin}`,
  })),
  instead("headers that say the caller is this machine", () => ({
    "x-forwarded-for": "127.0.0.1",
    "x-real-ip": "127.0.0.1",
    forwarded: "for=127.0.0.1",
  })),
  ...["token", "access_token", "authorization"].map(
    (key): Row => ({
      name: `a token in the address, as \`${key}\``,
      meets: "401 `unauthorized`",
      attempt: (ground) => ground.outcome({ path: `/sessions?${key}=${ground.tokens.admin}` }),
      control: withToken,
    }),
  ),
  ...["/sessions/", "//sessions", "/SESSIONS", "/%73essions", "/sessions;health", "/sessions%2f"].map(
    (path): Row => ({
      name: `another spelling of a route: \`${path}\``,
      meets: "401 `unauthorized`",
      attempt: (ground) => ground.outcome({ path }),
      control: withToken,
    }),
  ),
  {
    name: "an open route's name before a guarded one: `/health/../sessions`",
    meets: "401",
    attempt: (ground) => statusesOf(ground.daemon.url, rawGet("/health/../sessions")),
    control: {
      name: "the open route",
      meets: "200",
      attempt: (ground) => statusesOf(ground.daemon.url, rawGet("/health")),
    },
  },
  {
    name: "a WebSocket without a token",
    meets: "401 `unauthorized`",
    attempt: (ground) => ground.outcome({ path: `/ws/sessions/${ground.id}`, isUpgrade: true }),
    control: {
      name: "with it",
      meets: "101",
      attempt: (ground) =>
        ground.outcome({ path: `/ws/sessions/${ground.id}`, isUpgrade: true, headers: ground.bearer("read") }),
    },
  },
  {
    name: "a WebSocket with the token as its subprotocol",
    meets: "401 `unauthorized`",
    attempt: (ground) =>
      ground.outcome({
        path: `/ws/sessions/${ground.id}`,
        isUpgrade: true,
        headers: { "sec-websocket-protocol": `bearer, ${ground.tokens.admin}` },
      }),
    control: {
      name: "with it in its header",
      meets: "101",
      attempt: (ground) =>
        ground.outcome({ path: `/ws/sessions/${ground.id}`, isUpgrade: true, headers: ground.bearer("read") }),
    },
  },
];

const rawGet = (target: string) => `GET ${target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`;

/** Makes a token of its own for a row, and takes it away in some way. */
function spent(name: string, spend: (ground: Ground, own: string) => Promise<unknown>, lives?: string): Row {
  const own = name.replace(/\W+/g, "-");
  const make = async (ground: Ground) =>
    (await ground.daemon.post("/tokens", { name: own, scope: "read", ...(lives ? { expires_in: lives } : {}) })).body
      .token as string;
  return {
    name: `a token that was ${name}`,
    meets: "401 `unauthorized`",
    attempt: async (ground) => {
      const token = await make(ground);
      await spend(ground, own);
      const outcome = await eventually(async () => {
        const found = await ground.outcome({ ...list, headers: bearer(token) });
        return found === "200" && lives !== undefined ? undefined : found;
      });
      await ground.daemon.delete(`/tokens/${own}`);
      return outcome;
    },
    control: {
      name: "before that",
      meets: "200",
      attempt: async (ground) => {
        const outcome = await ground.outcome({ ...list, headers: bearer(await make(ground)) });
        await ground.daemon.delete(`/tokens/${own}`);
        return outcome;
      },
    },
  };
}

const spentTokens: Row[] = [
  spent("revoked", (ground, name) => ground.daemon.delete(`/tokens/${name}`)),
  spent("replaced", (ground, name) => ground.daemon.post(`/tokens/${name}/rotate`)),
  spent("good for three seconds, later", async () => undefined, "3s"),
  {
    name: "a socket that was opened with a token, once that is revoked",
    meets: "closed with 1008",
    attempt: async (ground) => {
      const { token } = (await ground.daemon.post("/tokens", { name: "watcher", scope: "read" })).body;
      const socket = await socketWith(ground, bearer(token));
      await ground.daemon.delete("/tokens/watcher");
      return `closed with ${(await socket.ended()).code}`;
    },
    control: {
      name: "that of another token meanwhile",
      meets: "pong",
      attempt: async (ground) => {
        const socket = await socketWith(ground, ground.bearer("read"));
        await ground.daemon.post("/tokens", { name: "watcher", scope: "read" });
        await ground.daemon.delete("/tokens/watcher");
        socket.send({ type: "ping" });
        const { type } = await socket.frame("pong");
        await socket.close();
        return type;
      },
    },
  },
];

function socketWith(ground: Ground, headers: Record<string, string>): Promise<ClientSocket> {
  return ClientSocket.open(`${ground.daemon.url.replace("http", "ws")}/ws/sessions/${ground.id}`, { headers });
}

/** Wants more than its scope, in the words of a request; the next scope is let in. */
function beyond(
  name: string,
  asked: (ground: Ground) => Parameters<Ground["outcome"]>[0],
  held: "read" | "write",
  permitted: { by: "write" | "admin"; meets: string },
): Row {
  return {
    name,
    meets: "403 `insufficient_scope`",
    attempt: (ground) => {
      const { headers, ...rest } = asked(ground);
      return ground.outcome({ ...rest, headers: { ...headers, ...ground.bearer(held) } });
    },
    control: {
      name: `a token with \`${permitted.by}\``,
      meets: permitted.meets,
      attempt: (ground) => {
        const { headers, ...rest } = asked(ground);
        return ground.outcome({ ...rest, headers: { ...headers, ...ground.bearer(permitted.by) } });
      },
    },
  };
}

const session = { agent: "echo", prompt: "hi" };
const scopes: Row[] = [
  beyond("a reader begins a session", () => ({ method: "POST", path: "/sessions", body: session }), "read", {
    by: "write",
    meets: "201",
  }),
  beyond(
    "a reader prompts",
    ({ id }) => ({ method: "POST", path: `/sessions/${id}/prompt`, body: { text: "hi" } }),
    "read",
    { by: "write", meets: "202" },
  ),
  beyond("a reader interrupts", ({ id }) => ({ method: "POST", path: `/sessions/${id}/interrupt` }), "read", {
    by: "write",
    meets: "202",
  }),
  beyond("a reader asks for a ticket to write", ({ id }) => ticketFor(id, "write"), "read", {
    by: "write",
    meets: "201",
  }),
  beyond(
    "a reader says in its body and headers that it is an admin",
    ({ id }) => ({
      method: "POST",
      path: `/sessions/${id}/prompt`,
      body: { text: "hi" },
      headers: { "x-scope": "admin", "x-role": "admin", "x-user": "root" },
    }),
    "read",
    { by: "write", meets: "202" },
  ),
  beyond("a writer makes a token", () => newToken("by-writer"), "write", { by: "admin", meets: "201" }),
  beyond("a writer lists the tokens", () => ({ path: "/tokens" }), "write", { by: "admin", meets: "200" }),
  beyond("a writer reads the audit log", () => ({ path: "/audit" }), "write", { by: "admin", meets: "200" }),
  beyond("a writer collects garbage", () => ({ method: "POST", path: "/gc", body: { dry_run: true } }), "write", {
    by: "admin",
    meets: "200",
  }),
  {
    name: "a reader prompts by WebSocket",
    meets: "`insufficient_scope`",
    attempt: (ground) => promptBySocket(ground, "read"),
    control: { name: "a token with `write`", meets: "accepted", attempt: (ground) => promptBySocket(ground, "write") },
  },
  {
    name: "a reader reads, with a header that says DELETE",
    meets: "200, running",
    attempt: async (ground) => {
      const overrides = {
        "x-http-method-override": "DELETE",
        "x-method-override": "DELETE",
        "x-http-method": "DELETE",
      };
      const path = `/sessions/${ground.id}?_method=DELETE`;
      const outcome = await ground.outcome({ path, headers: { ...overrides, ...ground.bearer("read") } });
      return `${outcome}, ${(await ground.daemon.get(`/sessions/${ground.id}`)).body.status}`;
    },
    control: {
      name: "a token with `write` deletes another session",
      meets: "200, gone",
      attempt: async (ground) => {
        const { session_id } = (await ground.daemon.post("/sessions", { agent: "echo", interactive: true })).body;
        const outcome = answered(await ground.as("write").delete(`/sessions/${session_id}`));
        return `${outcome}, ${(await ground.daemon.get(`/sessions/${session_id}`)).status === 404 ? "gone" : "there"}`;
      },
    },
  },
];

function ticketFor(session_id: string, scope: "read" | "write") {
  return { method: "POST", path: "/tickets", body: { session_id, scope } };
}

function newToken(name: string) {
  return { method: "POST", path: "/tokens", body: { name, scope: "admin" } };
}

async function promptBySocket(ground: Ground, scope: "read" | "write"): Promise<string> {
  const socket = await socketWith(ground, ground.bearer(scope));
  socket.send({ type: "prompt", data: "hi" });
  const answer = await eventually(() => socket.frames.find(({ type }) => type === "accepted" || type === "error"));
  await socket.close();
  return answer.type === "error" ? `\`${answer.code}\`` : answer.type;
}

/** A ticket that was got by the book, used otherwise. */
function ticket(name: string, misuse: (ground: Ground, ticket: string) => Promise<string>): Row {
  return {
    name: `a ticket ${name}`,
    meets: "401 `unauthorized`",
    attempt: async (ground) => misuse(ground, await ticketOf(ground)),
    control: {
      name: "on the stream it is for, once",
      meets: "101",
      attempt: async (ground) => upgradeBy(ground, ground.id, await ticketOf(ground)),
    },
  };
}

async function ticketOf(ground: Ground): Promise<string> {
  return (await ground.as("write").post("/tickets", { session_id: ground.id })).body.ticket;
}

function upgradeBy(ground: Ground, id: string, by: string): Promise<string> {
  return ground.outcome({ path: `/ws/sessions/${id}?ticket=${by}`, isUpgrade: true });
}

const tickets: Row[] = [
  ticket("a second time", async (ground, by) => {
    await upgradeBy(ground, ground.id, by);
    return upgradeBy(ground, ground.id, by);
  }),
  ticket("on another session", async (ground, by) => {
    const other = (await ground.daemon.post("/sessions", { agent: "echo", interactive: true })).body.session_id;
    return upgradeBy(ground, other, by);
  }),
  ticket("on a route that takes none", (ground, by) =>
    ground.outcome({ path: `/sessions/${ground.id}/log?ticket=${by}` }),
  ),
  ticket("as a bearer token", (ground, by) => ground.outcome({ ...list, headers: bearer(by) })),
  ticket("whose giver was revoked meanwhile", async (ground) => {
    const { token } = (await ground.daemon.post("/tokens", { name: "giver", scope: "read" })).body;
    const { ticket: given } = (await requests(ground.daemon.url, token).post("/tickets", { session_id: ground.id }))
      .body;
    await ground.daemon.delete("/tokens/giver");
    return upgradeBy(ground, ground.id, given);
  }),
];

/** The same of a chat, whose name a session has too. */
function chatTicket(name: string, misuse: (ground: Ground, ticket: string) => Promise<string>): Row {
  return {
    name: `a chat's ticket ${name}`,
    meets: "401 `unauthorized`",
    attempt: async (ground) => misuse(ground, await chatTicketOf(ground)),
    control: {
      name: "on the chat it is for, once",
      meets: "101",
      attempt: async (ground) => chatUpgradeBy(ground, "spoken", await chatTicketOf(ground)),
    },
  };
}

async function chatTicketOf(ground: Ground): Promise<string> {
  for (const name of ["spoken", "another"]) await ground.daemon.post("/chats", { name, config: { agent: "stand-in" } });
  return (await ground.as("write").post("/tickets", { chat: "spoken" })).body.ticket;
}

function chatUpgradeBy(ground: Ground, name: string, by: string): Promise<string> {
  return ground.outcome({ path: `/ws/chats/${name}?session=next&ticket=${by}`, isUpgrade: true });
}

const chatTickets: Row[] = [
  chatTicket("a second time", async (ground, by) => {
    await chatUpgradeBy(ground, "spoken", by);
    return chatUpgradeBy(ground, "spoken", by);
  }),
  chatTicket("on another chat", (ground, by) => chatUpgradeBy(ground, "another", by)),
  chatTicket("on a session of that name", async (ground, by) => {
    await ground.daemon.post("/sessions", { agent: "echo", interactive: true, name: "spoken" });
    return upgradeBy(ground, "spoken", by);
  }),
  chatTicket("on its history", (ground, by) => ground.outcome({ path: `/chats/spoken/messages?ticket=${by}` })),
];

const others: Row[] = [
  {
    name: "another's Idempotency-Key with the same body, to read its answer",
    meets: "another session",
    attempt: async (ground) => sameAnswer(ground, ["write", "admin"]),
    control: { name: "one's own again", meets: "the same session", attempt: (g) => sameAnswer(g, ["write", "write"]) },
  },
  {
    name: "the beginning of a session's id",
    meets: "404 `session_not_found`",
    attempt: (g) => g.outcome({ path: `/sessions/${g.id.slice(0, 35)}`, headers: g.bearer("read") }),
    control: {
      name: "all of it",
      meets: "200",
      attempt: (g) => g.outcome({ path: `/sessions/${g.id}`, headers: g.bearer("read") }),
    },
  },
  {
    name: "more requests than a token may send, to keep others out",
    meets: "429 `rate_limited`, with `Retry-After`",
    attempt: () => flooded("eager"),
    control: { name: "another token meanwhile", meets: "200", attempt: () => flooded("other") },
  },
  {
    name: "more frames than a token may send, by WebSocket",
    meets: "`rate_limited`, closed with 1013",
    attempt: () => floodedByFrames("eager"),
    control: { name: "another token's socket meanwhile", meets: "pong", attempt: () => floodedByFrames("other") },
  },
  {
    name: "more sessions than a token may have at once",
    meets: "429 `token_sessions`",
    attempt: () => crowded("crowd", "crowd"),
    control: { name: "another token meanwhile", meets: "201", attempt: () => crowded("crowd", "other") },
  },
];

/** What one of two tokens is told while the first sends thirty requests at once; so few are permitted that a slow machine sees it too. */
async function flooded(told: "eager" | "other"): Promise<string> {
  const daemon = await startDaemon({ config: { limits: { token_requests: 5 } } });
  const make = async (name: string) => bearer((await daemon.post("/tokens", { name, scope: "read" })).body.token);
  const [eager, other] = [await make("eager"), await make("other")];
  const burst = await Promise.all(Array.from({ length: 30 }, () => call(daemon.url, getSessions, eager)));
  const refused = burst.find(({ status }) => status === 429);
  const others = await call(daemon.url, getSessions, other);
  await daemon.stop();
  if (told === "other") return said(others);
  if (refused === undefined) return "all were taken";
  return `${said(refused)}${refused.headers["retry-after"] === undefined ? "" : ", with `Retry-After`"}`;
}

/** The same with frames, each as cheap as can be. */
async function floodedByFrames(told: "eager" | "other"): Promise<string> {
  const daemon = await startDaemon({ config: { agents: { echo: fixture("echo") }, limits: { token_requests: 5 } } });
  const { session_id: id } = (await daemon.post("/sessions", { agent: "echo", interactive: true })).body;
  const open = async (name: string) => {
    const { token } = (await daemon.post("/tokens", { name, scope: "read" })).body;
    return openSocket({ url: daemon.url, token, id });
  };
  const [eager, other] = [await open("eager"), await open("other")];
  for (let n = 0; n < 30; n++) eager.send({ type: "resize", cols: 1, rows: 1 });
  const { code } = await eager.ended();
  const error = eager.frames.find((frame) => frame.type === "error");
  other.send({ type: "ping" });
  const answer = await other.frame("pong");
  await other.close();
  await daemon.stop();
  return told === "other" ? answer.type : `\`${error?.code}\`, closed with ${code}`;
}

const getSessions = { method: "GET", ...list };

/** What a token is told that begins a session behind another's two, of which no one may have more. */
async function crowded(first: string, second: string): Promise<string> {
  const daemon = await startDaemon({ config: { agents: { echo: fixture("echo") }, limits: { token_sessions: 2 } } });
  const callers = new Map<string, ReturnType<typeof requests>>();
  for (const name of new Set([first, second]))
    callers.set(name, requests(daemon.url, (await daemon.post("/tokens", { name, scope: "write" })).body.token));
  const begin = async (name: string) => callers.get(name)?.post("/sessions", { agent: "echo", interactive: true });
  await begin(first);
  await begin(first);
  const answer = await begin(second);
  await daemon.stop();
  return answer === undefined ? "nothing" : answered(answer);
}

async function sameAnswer(ground: Ground, scopes: ["write", "write" | "admin"]): Promise<string> {
  const headers = { "idempotency-key": `mine-${scopes.join("-")}` };
  const [first, second] = await Promise.all(
    scopes.map(async (scope) => (await ground.as(scope).post("/sessions", session, { headers })).body.session_id),
  );
  return first === second ? "the same session" : "another session";
}

/** The operator's own mistakes. */
const starts: Row[] = [
  {
    name: "a daemon without authentication on every address",
    meets: "refuses to start",
    attempt: () => starting(["--no-auth", "--host", "0.0.0.0"]),
    control: { name: "on loopback", meets: "starts", attempt: () => starting(["--no-auth"]) },
  },
  {
    name: "a token file with a short word in it",
    meets: "refuses to start",
    attempt: () => startingWithToken("hunter2"),
    control: { name: "with 16 characters", meets: "starts", attempt: () => startingWithToken("0123456789abcdef") },
  },
  {
    name: "a token file that others may read",
    meets: "mode 600",
    attempt: () => modeOf("token"),
    control: { name: "a file beside it", meets: "mode 644", attempt: () => modeOf("other") },
  },
  {
    name: "the store read from disk for a token",
    meets: "not there",
    attempt: async (ground) => inStore(ground, secretOf(ground.tokens.admin)),
    control: { name: "its name", meets: "there", attempt: (ground) => inStore(ground, "holder-admin") },
  },
];

async function starting(args: string[]): Promise<string> {
  try {
    await (await startDaemon({ args })).stop();
    return "starts";
  } catch (error) {
    return String(error).includes("without authentication") ? "refuses to start" : String(error);
  }
}

async function startingWithToken(token: string): Promise<string> {
  const dir = await tempDir();
  const file = join(dir.path, "token");
  await writeFile(file, token);
  try {
    await (await startDaemon({ config: { token_file: file } })).stop();
    return "starts";
  } catch (error) {
    return String(error).includes("shorter than 16") ? "refuses to start" : String(error);
  } finally {
    await dir.remove();
  }
}

/** Of a file that everybody could read before the daemon was started. */
async function modeOf(name: "token" | "other"): Promise<string> {
  const dir = await tempDir();
  for (const file of ["token", "other"]) {
    await writeFile(join(dir.path, file), "0123456789abcdef");
    await chmod(join(dir.path, file), 0o644);
  }
  await (await startDaemon({ config: { token_file: join(dir.path, "token") } })).stop();
  const { mode } = await stat(join(dir.path, name));
  await dir.remove();
  return `mode ${(mode & 0o777).toString(8)}`;
}

async function inStore({ daemon }: Ground, text: string): Promise<string> {
  const files = await Promise.all(["state.db", "state.db-wal"].map((name) => readFile(join(daemon.dataDir, name))));
  return Buffer.concat(files).includes(text) ? "there" : "not there";
}

export const callers: AttackGroup<Ground> = {
  title: "Callers",
  who: "reaches the port; has no token, an old one, or one with a scope that is too small",
  open: () => Ground.open({ config: { agents: { "stand-in": { harness: "claude", ...fixture("claude-counts") } } } }),
  close: (ground) => ground.close(),
  attacks: [...withoutToken, ...spentTokens, ...scopes, ...tickets, ...chatTickets, ...others, ...starts],
};
