/** The daemon inside somebody else's program, as the built package gives it. */
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { execa } from "execa";
import { afterEach, describe, expect, onTestFinished, test } from "vitest";
import { browserPath } from "../support/browser.ts";
import { ClientSocket } from "../support/client-socket.ts";
import { openBrowser, openConsole } from "../support/console.ts";
import { eventually } from "../support/eventually.ts";
import { sessionProcesses } from "../support/processes.ts";
import { requests, startDaemon } from "../support/start-daemon.ts";
import { tempDir } from "../support/temp-dir.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));
const echo = { command: process.execPath, args: [join(root, "test/fixtures/agents/echo.mjs")] };

let folder: Awaited<ReturnType<typeof tempDir>> | undefined;
afterEach(() => folder?.remove());

/** The example, as a program of its own; its server may be the first to close. */
async function embed(dataDir: string, config: object = {}, order: "daemon first" | "server first" = "daemon first") {
  const source = await readFile(join(root, "docs/examples/embed.mjs"), "utf8");
  const [stopIt, closeIt] = ["  await daemon.stop();\n", "  await app.close();\n"];
  if (!source.includes(stopIt + closeIt)) throw new Error("the example ends otherwise");
  const text = order === "daemon first" ? source : source.replace(stopIt + closeIt, closeIt + stopIt);
  const child = execa(process.execPath, ["--input-type=module", "-", dataDir, "0"], {
    cwd: root,
    input: text,
    env: { AGENTRUNTIME_CONFIG: JSON.stringify({ agents: { echo }, ...config }), AGENTD_URL: undefined },
    reject: false,
  });
  let said = "";
  child.stdout.on("data", (data) => {
    said += String(data);
  });
  onTestFinished(async () => {
    child.kill("SIGKILL");
    await child;
  });
  const url = await eventually(() => /^http:\S+/m.exec(said)?.[0], { what: "the program's server" });
  const token = (await readFile(join(dataDir, "token"), "utf8")).trim();
  const stop = async () => {
    child.kill("SIGTERM");
    return child;
  };
  return { url, token, stop, child };
}

/** A daemon of the same data dir ends what the program left. */
async function endAll(dataDir: string): Promise<void> {
  const daemon = await startDaemon({ dataDir, config: { agents: { echo } } });
  await daemon.stop();
}

describe("mounted in a fastify server", () => {
  test("HTTP, events and WebSockets work below the prefix; the rest of the server is its owner's", async () => {
    folder = await tempDir();
    const dataDir = join(folder.path, "data");
    const program = await embed(dataDir, { on_shutdown: "stop" });
    const api = requests(`${program.url}/agents`, program.token);
    const { status, body } = await api.post("/sessions", { agent: "echo", interactive: true, prompt: "hi" });
    expect([status, body.error]).toEqual([201, undefined]);
    expect(body.ws_url).toBe(`${program.url.replace("http", "ws")}/agents/ws/sessions/${body.session_id}`);
    const socket = await ClientSocket.open(`${body.ws_url}?since=0`, {
      headers: { authorization: `Bearer ${program.token}` },
    });
    await socket.event(({ type }) => type === "result");
    socket.send({ type: "prompt", data: "again" });
    await eventually(() => socket.events.filter(({ type }) => type === "result").length === 2);
    const log = await requests(body.log_url.replace("/logs", ""), program.token).get("/logs");
    expect(log.text.split("\n").length).toBeGreaterThan(4);
    expect(await (await fetch(program.url)).json()).toEqual({ sessions: [body.session_id] });
    expect((await fetch(`${program.url}/sessions`)).status).toBe(404);
    expect((await program.stop()).exitCode).toBe(0);
    expect(await socket.ended()).toMatchObject({ code: 1000 });
    expect(sessionProcesses(body.session_id)).toEqual([]);
  });

  test.skipIf(browserPath === undefined)("the console works below the prefix", async () => {
    folder = await tempDir();
    const program = await embed(join(folder.path, "data"), { on_shutdown: "stop" });
    const api = requests(`${program.url}/agents`, program.token);
    const { body } = await api.post("/sessions", { agent: "echo", interactive: true, prompt: "hi" });
    const browser = await openBrowser();
    onTestFinished(() => browser.close());
    const at = { url: `${program.url}/agents`, token: program.token };
    const { page, asked, complaints } = await openConsole(browser, at, { at: `#/sessions/${body.session_id}` });
    await page.getByRole("feed", { name: "Conversation" }).getByText("echo: hi").waitFor();
    await page.getByLabel("Prompt").fill("again");
    await page.keyboard.press("Enter");
    await page.getByRole("feed", { name: "Conversation" }).getByText("echo: again").waitFor();
    expect(asked.filter((url) => !url.startsWith(`${program.url}/agents/`))).toEqual([]);
    expect(complaints).toEqual([]);
    await page.close();
    await program.stop();
  });

  test("its guard holds there: no token, a foreign Host, a foreign Origin, a body that is too large", async () => {
    folder = await tempDir();
    const program = await embed(join(folder.path, "data"), { on_shutdown: "stop", limits: { body_bytes: 2048 } });
    const at = `${program.url}/agents/sessions`;
    expect((await fetch(at)).status).toBe(401);
    const bearer = { authorization: `Bearer ${program.token}` };
    expect((await fetch(at, { headers: bearer })).status).toBe(200);
    expect((await fetch(at, { headers: { ...bearer, origin: "http://evil.example" } })).status).toBe(403);
    await expect(ClientSocket.open(`${program.url.replace("http", "ws")}/agents/ws/sessions/none`)).rejects.toThrow(
      "401",
    );
    const large = { agent: "echo", prompt: "x".repeat(5000) };
    const refused = await requests(`${program.url}/agents`, program.token).post("/sessions", large);
    expect([refused.status, refused.body.error]).toEqual([413, "body_too_large"]);
    await program.stop();
  });
});

test("sessions outlive the program, and its next start takes over", async () => {
  folder = await tempDir();
  const dataDir = join(folder.path, "data");
  const first = await embed(dataDir);
  const api = requests(`${first.url}/agents`, first.token);
  const { session_id } = (await api.post("/sessions", { agent: "echo", interactive: true, prompt: "one" })).body;
  await eventually(async () => (await api.get(`/sessions/${session_id}`)).body.turn_count === 1);
  await first.stop();
  expect(sessionProcesses(session_id).length).toBeGreaterThan(0);
  const second = await embed(dataDir);
  const after = requests(`${second.url}/agents`, second.token);
  expect((await after.post(`/sessions/${session_id}/prompt`, { text: "two" })).status).toBe(202);
  await eventually(async () => (await after.get(`/sessions/${session_id}`)).body.turn_count === 2);
  second.child.kill("SIGKILL");
  await second.child;
  expect(sessionProcesses(session_id).length).toBeGreaterThan(0);
  await endAll(dataDir);
  expect(sessionProcesses(session_id)).toEqual([]);
});

describe("in a program of its own", () => {
  /** Runs a module that has `daemon`, an unstarted one, and says what it finds as JSON. */
  async function run(source: string, dataDir: string, config: object = {}) {
    const settings = { dataDir, config: { agents: { echo }, on_shutdown: "stop", ...config } };
    const module = `import { createDaemon, sidecarPath, AgentdError } from "agentruntime";
const settings = ${JSON.stringify(settings)};
const daemon = createDaemon(settings);
const say = (value) => console.log(JSON.stringify(value));
${source}`;
    await mkdir(dataDir, { recursive: true });
    const { stdout, exitCode, stderr } = await execa(process.execPath, ["--input-type=module"], {
      cwd: root,
      input: module,
      reject: false,
    });
    return {
      said: stdout
        .split("\n")
        .filter(Boolean)
        .map((line) => JSON.parse(line)),
      exitCode,
      stderr,
    };
  }

  test("it starts, serves, stops, and can be started again; the process ends by itself", async () => {
    folder = await tempDir();
    const { said, exitCode, stderr } = await run(
      `for (const round of [1, 2]) {
  await daemon.start();
  const session = await daemon.sessions.create({ agent: "echo", prompt: "hi" });
  const { last, exit } = await session.result();
  say([round, last.status, exit.code, (await fetch(daemon.url + "/health")).status, daemon.token.length > 20]);
  await daemon.stop();
}
say(sidecarPath());`,
      join(folder.path, "data"),
    );
    expect([said, exitCode, stderr.includes("rror")]).toEqual([
      [[1, "success", 0, 200, true], [2, "success", 0, 200, true], join(root, "dist/sidecar.js")],
      0,
      false,
    ]);
  });

  test("it listens on a Unix socket where it is told to", async () => {
    folder = await tempDir();
    const { said } = await run(
      `await daemon.start();
const session = await daemon.sessions.create({ agent: "echo", prompt: "hi" });
say([daemon.url.startsWith("unix:"), (await session.result()).last.status]);
await daemon.stop();`,
      join(folder.path, "data"),
      { listen: { socket: join(folder.path, "s.sock") } },
    );
    expect(said).toEqual([[true, "success"]]);
  });

  test("what cannot be is said: settings, a second daemon of the data dir, use before the start, a second start", async () => {
    folder = await tempDir();
    const dataDir = join(folder.path, "data");
    await mkdir(dataDir, { recursive: true });
    await writeFile(join(dataDir, "config.json"), "no JSON at all, and not read");
    const { said } = await run(
      `const failure = async (act) => { try { await act(); return "nothing"; } catch (error) { return [error instanceof AgentdError, error.message]; } };
say(await failure(() => createDaemon({ ...settings, config: { colour: "red" } })));
say(await failure(() => daemon.sessions.list()));
await daemon.start();
say(await failure(() => daemon.start()));
const other = createDaemon(settings);
say(await failure(() => other.start()));
await daemon.stop();
await daemon.stop();
await other.start();
say((await other.sessions.list()).length);
await other.stop();`,
      dataDir,
    );
    expect(said).toEqual([
      [true, expect.stringMatching(/^Cannot use the configuration: .*colour/)],
      [true, expect.stringContaining("it is not running")],
      [true, expect.stringContaining("it is running")],
      [true, expect.stringContaining(dataDir)],
      0,
    ]);
  });
});

/** A server of its own around the daemon: \`app\` and \`daemon\` are there, \`say\` tells as JSON, \`raw\` sends a request as it is written. */
async function server(source: string, dataDir: string): Promise<unknown[]> {
  const module = `import { createDaemon } from "agentruntime";
import fastify from "fastify";
import websocket from "@fastify/websocket";
import { connect } from "node:net";
import { WebSocket } from "ws";
const daemon = createDaemon(${JSON.stringify({ dataDir, config: { agents: { echo }, on_shutdown: "stop" } })});
const app = fastify();
const say = (value) => console.log(JSON.stringify(value));
const raw = (lines) => new Promise((resolve) => {
  const socket = connect(app.server.address().port, "127.0.0.1", () => socket.write(lines.concat("", "").join("\\r\\n")));
  let text = "";
  socket.on("data", (data) => { text += data; });
  socket.on("close", () => resolve(text.split("\\r\\n")[0]));
  setTimeout(() => { socket.destroy(); resolve("no answer: " + text); }, 5000).unref();
});
const upgrade = (path, protocol = "websocket") => raw(["GET " + path + " HTTP/1.1", "Host: 127.0.0.1", "Connection: Upgrade", "Upgrade: " + protocol, "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA=="]);
const opened = (path, headers = {}) => new Promise((resolve) => {
  const socket = new WebSocket("ws://127.0.0.1:" + app.server.address().port + path, { headers });
  socket.once("message", (data) => { resolve(String(data)); socket.terminate(); });
  socket.once("unexpected-response", (_request, response) => { resolve(response.statusCode); socket.terminate(); });
  socket.once("error", (error) => resolve(error.message));
});
${source}
await app.close();
await daemon.stop();`;
  const { stdout, stderr, exitCode } = await execa(process.execPath, ["--input-type=module"], {
    cwd: root,
    input: module,
    reject: false,
    timeout: 45_000,
  });
  expect([exitCode, stderr.includes("rror") ? stderr : ""]).toEqual([0, ""]);
  return stdout
    .split("\n")
    .filter(Boolean)
    .map((line) => JSON.parse(line));
}

describe("a server around it", () => {
  test("goes on when somebody comes before its start and after its stop: 503, for sockets too", async () => {
    folder = await tempDir();
    const said = await server(
      `await app.register(daemon.plugin, { prefix: "/agents/" });
await app.listen({ port: 0 });
const look = async () => say([await upgrade("/agents/ws/sessions/x"), (await fetch("http://127.0.0.1:" + app.server.address().port + "/agents/health")).status]);
await look();
await daemon.start();
await look();
await daemon.stop();
await look();`,
      join(folder.path, "data"),
    );
    expect(said).toEqual([
      ["HTTP/1.1 503 Service Unavailable", 503],
      ["HTTP/1.1 401 Unauthorized", 200],
      ["HTTP/1.1 503 Service Unavailable", 503],
    ]);
  });

  test("has its hooks asked before the daemon, for WebSockets too; its own routes answer whoever asks for an upgrade", async () => {
    folder = await tempDir();
    const said = await server(
      `app.addHook("onRequest", async (request, reply) => {
  if (request.url.startsWith("/agents") && request.headers.who !== "me") return reply.code(418).send("no");
  if (request.headers.who === "me") request.headers.authorization = "Bearer " + daemon.token;
});
app.get("/own", async () => "own");
await daemon.start();
await app.register(daemon.plugin, { prefix: "/agents" });
await app.listen({ port: 0 });
const { id } = await daemon.sessions.create({ agent: "echo", interactive: true, prompt: "hi" });
const path = "/agents/ws/sessions/" + id + "?since=0";
say(await opened(path));
say(JSON.parse(await opened(path, { who: "me" })).type);
say(await opened(path.replace("agents", "%61gents"), { who: "me" }));
say(await upgrade("/own", "h2c"));
say(await upgrade("/nowhere"));`,
      join(folder.path, "data"),
    );
    expect(said).toEqual([418, "replay", 404, "HTTP/1.1 200 OK", "HTTP/1.1 404 Not Found"]);
  });

  test("may have WebSockets of its own", async () => {
    folder = await tempDir();
    const said = await server(
      `await app.register(websocket);
app.get("/own", { websocket: true }, (socket) => socket.send("own"));
await daemon.start();
await app.register(daemon.plugin, { prefix: "/agents" });
await app.listen({ port: 0 });
const { id } = await daemon.sessions.create({ agent: "echo", interactive: true, prompt: "hi" });
say(await opened("/own"));
say(JSON.parse(await opened("/agents/ws/sessions/" + id + "?since=0", { authorization: "Bearer " + daemon.token })).type);
say(await opened("/agents/ws/sessions/" + id));`,
      join(folder.path, "data"),
    );
    expect(said).toEqual(["own", "replay", 401]);
  });
});

test("a server that closes does not wait for the streams and sockets below the prefix", async () => {
  folder = await tempDir();
  const program = await embed(join(folder.path, "data"), { on_shutdown: "stop" }, "server first");
  const api = requests(`${program.url}/agents`, program.token);
  const { session_id } = (await api.post("/sessions", { agent: "echo", interactive: true })).body;
  const headers = { authorization: `Bearer ${program.token}` };
  const stream = await fetch(`${program.url}/agents/sessions/${session_id}/events`, { headers });
  const socket = await ClientSocket.open(`${program.url.replace("http", "ws")}/agents/ws/sessions/${session_id}`, {
    headers,
  });
  await socket.frame("connected");
  expect((await program.stop()).exitCode).toBe(0);
  await expect(stream.text()).rejects.toThrow();
  expect(await socket.ended()).toMatchObject({ code: 1006 });
});
