import { appendFile, readdir, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { execa } from "execa";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { AuditEntry } from "../../src/protocol/access.ts";
import { eventually } from "../support/eventually.ts";
import { agentdPath, type Daemon, openSocket, requests, startDaemon } from "../support/start-daemon.ts";
import { call, routes } from "./routes.ts";

const agents = {
  echo: { command: process.execPath, args: [new URL("../fixtures/agents/echo.mjs", import.meta.url).pathname] },
};

let daemon: Daemon;
let token: string;
let reader: string;
beforeAll(async () => {
  daemon = await startDaemon({ config: { agents } });
  token = (await daemon.post("/tokens", { name: "ci", scope: "admin" })).body.token;
  reader = (await daemon.post("/tokens", { name: "dashboard", scope: "read" })).body.token;
});
afterAll(async () => {
  await daemon?.stop();
});

const entries = async (from = daemon): Promise<AuditEntry[]> => (await from.get("/audit?limit=10000")).body;
/** An entry is written behind the answer. */
const entry = (matches: (entry: AuditEntry) => boolean) =>
  eventually(async () => (await entries()).findLast(matches), { what: `an entry for which ${matches}` });

test("every route that changes something is written down, done or refused, and no other is", async () => {
  const isChange = ({ method }: { method: string }) => method !== "GET" && method !== "HEAD";
  expect(routes.filter((route) => isChange(route) !== (route.act !== undefined))).toEqual([]);
  // The same refusal of the same act is one entry for each token.
  const second = (await daemon.post("/tokens", { name: "cd", scope: "admin" })).body.token;
  const tried = new Set<string>();
  for (const route of routes) {
    const before = (await entries()).at(-1)?.seq ?? 0;
    const isFirst = route.act === undefined || !tried.has(route.act);
    await call(daemon.url, route, { authorization: `Bearer ${isFirst ? token : second}` });
    if (route.act !== undefined) {
      tried.add(route.act);
      const found = await entry(({ seq }) => seq > before);
      expect(found).toMatchObject({ caller: isFirst ? "ci" : "cd", act: route.act, by: "http", from: "127.0.0.1" });
    }
    await call(daemon.url, route, { authorization: "Bearer nobody" });
  }
  const [{ token: own } = { token: "" }] = [(await daemon.post("/tokens", { name: "last", scope: "read" })).body];
  await entry(({ subject }) => subject === "last");
  const found = await entries();
  expect(found.filter(({ caller }) => caller === "ci" || caller === "cd")).toHaveLength(
    routes.filter(({ act }) => act).length,
  );
  expect(found.map(({ seq }) => seq)).toEqual(found.map((_, index) => index + 1));
  expect(JSON.stringify(found)).not.toContain(own);
});

test("what a reader tried is there with the reason", async () => {
  await requests(daemon.url, reader).post("/sessions", { agent: "echo", prompt: "hi" });
  expect(await entry(({ caller }) => caller === "dashboard")).toMatchObject({
    act: "create",
    error: "insufficient_scope",
    token_id: expect.stringMatching(/^[0-9a-f]{16}$/),
  });
});

test("sessions stand there by their ids, from their creation to their removal, by HTTP and WebSocket", async () => {
  const asCi = requests(daemon.url, token);
  const made = await asCi.post("/sessions", {
    agent: "echo",
    interactive: true,
    name: "named",
    prompt: "SECRET words",
  });
  const id = made.body.session_id;
  await asCi.post("/sessions/named/prompt", { text: "SECRET too" });
  const socket = await openSocket({ url: daemon.url, token, id });
  socket.send({ type: "prompt", data: "SECRET three" });
  socket.send({ type: "respond", request_id: "r", decision: "deny" });
  socket.send({ type: "ping" });
  await socket.frame("accepted");
  await socket.frame("error");
  await socket.close();
  await asCi.post("/sessions/named/stop");
  await asCi.delete("/sessions/named");
  await entry(({ act, session_id }) => act === "delete" && session_id === id);
  const found = (await entries()).filter(({ session_id }) => session_id === id);
  expect(found.map(({ act, by, error }) => [act, by, error])).toEqual([
    ["create", "http", undefined],
    ["prompt", "http", undefined],
    ["prompt", "websocket", undefined],
    ["answer", "websocket", "input_not_found"],
    ["stop", "http", undefined],
    ["delete", "http", undefined],
  ]);
  const file = join(daemon.dataDir, "audit.ndjson");
  expect(await readFile(file, "utf8")).not.toMatch(/SECRET/);
  expect((await stat(file)).mode & 0o777).toBe(0o600);
});

test("the command shows it and follows it", async () => {
  const shown = await daemon.cli("audit", "--last", "2", "--json");
  expect(shown.stdout.split("\n").map((line) => JSON.parse(line))).toEqual((await entries()).slice(-2));
  const env = { AGENTD_URL: daemon.url, AGENTD_TOKEN: daemon.token };
  const following = execa(process.execPath, [agentdPath, "audit", "--follow"], { env, reject: false, stdin: "ignore" });
  let seen = "";
  following.stdout.on("data", (chunk) => {
    seen += chunk;
  });
  await eventually(() => seen.includes("ci  "));
  await daemon.post("/gc", { dry_run: true });
  await eventually(() => /token-file {2}gc {2}from 127\.0\.0\.1 by http\n$/.test(seen));
  following.kill("SIGKILL");
  await following;
});

test("it goes on behind a crash, also behind half a line, and is put aside when it is full", async () => {
  const first = await startDaemon();
  await first.post("/gc", {});
  await eventually(async () => (await entries(first)).length === 1);
  await first.kill9();
  const file = join(first.dataDir, "audit.ndjson");
  await appendFile(file, '{"seq":2,"at":"20');
  const second = await startDaemon({ dataDir: first.dataDir });
  await second.post("/gc", {});
  await eventually(async () => (await entries(second)).length === 2);
  expect((await entries(second)).map(({ seq }) => seq)).toEqual([1, 2]);
  await second.stop();
  const line = (await readFile(file, "utf8")).trimEnd().split("\n").at(-1) ?? "";
  await writeFile(file, `${line}\n`.repeat(Math.ceil((8 * 1024 * 1024) / (line.length + 1))));
  for (const age of [1, 2, 3, 4]) await writeFile(join(first.dataDir, `audit.${age}.ndjson`), `of age ${age}\n`);
  const third = await startDaemon({ dataDir: first.dataDir });
  for (const count of [1, 2]) {
    await third.post("/gc", {});
    await eventually(async () => (await entries(third)).at(-1)?.seq === 2 + count);
  }
  expect((await readdir(first.dataDir)).filter((name) => name.startsWith("audit")).sort()).toEqual([
    ...[1, 2, 3, 4].map((age) => `audit.${age}.ndjson`),
    "audit.ndjson",
  ]);
  expect(await readFile(join(first.dataDir, "audit.4.ndjson"), "utf8")).toBe("of age 3\n");
  expect((await third.get("/audit?after=2")).body.map(({ seq }: AuditEntry) => seq)).toEqual([3, 4]);
  await third.stop();
  await first.stop();
});
