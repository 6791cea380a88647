/** The key keeper as a program, between a client that knows the stand-in and a service that knows the key. */
import { createServer, type IncomingHttpHeaders, request } from "node:http";
import { type AddressInfo, connect } from "node:net";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { execa } from "execa";
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import { eventually } from "../support/eventually.ts";
import { tempDir } from "../support/temp-dir.ts";

const program = fileURLToPath(new URL("../../dist/keeper.js", import.meta.url));
const standIn = "sk-stand-in-of-one-session";
const lease = "lease-of-one-session";
const key = "the-real-key-93f1";
const ours = { authorization: `Bearer ${standIn}` };

const seen: { url: string; headers: IncomingHttpHeaders; body: string }[] = [];
const service = createServer(async (incoming, outgoing) => {
  const body = await text(incoming);
  seen.push({ url: incoming.url ?? "", headers: incoming.headers, body });
  const { pathname } = new URL(incoming.url ?? "/", "http://service");
  if (pathname === "/v1/stream") {
    outgoing.writeHead(200, { "content-type": "text/event-stream" });
    outgoing.write("data: one\n\n");
    held.push(() => outgoing.end("data: two\n\n"));
  } else if (pathname === "/v1/refused") {
    outgoing.writeHead(401, { "x-echo": key, "content-type": "application/json" });
    outgoing.end(JSON.stringify({ error: `Incorrect API key provided: ${key}` }));
  } else if (pathname === "/v1/moved") outgoing.writeHead(302, { location: "http://127.0.0.1:9/elsewhere" }).end();
  else if (pathname === "/v1/breaks") outgoing.destroy();
  else outgoing.end(`you sent ${body.length} bytes`);
});
const held: (() => void)[] = [];
let upstream = "";

beforeAll(async () => {
  await new Promise<void>((resolve) => service.listen(0, "127.0.0.1", resolve));
  upstream = `http://127.0.0.1:${(service.address() as AddressInfo).port}/v1`;
});

afterAll(async () => {
  service.closeAllConnections();
  await new Promise((resolve) => service.close(resolve));
});

test("puts the key where the stand-in was, and nothing of the connection's own", async () => {
  const socket = await startKeeper();
  for (const headers of [ours, { "x-api-key": standIn }, { "x-goog-api-key": standIn }]) {
    const { status } = await ask(socket, "/v1/messages?beta=true", {
      method: "POST",
      headers: { ...headers, "x-hop": "1", connection: "x-hop, close", "anthropic-beta": "b1" },
      body: "a prompt",
    });
    expect(status).toBe(200);
    const last = seen.at(-1);
    expect(last).toMatchObject({ url: "/v1/messages?beta=true", body: "a prompt" });
    const [name = ""] = Object.keys(headers);
    expect(last?.headers[name]).toBe(name === "authorization" ? `Bearer ${key}` : key);
    expect(last?.headers).toMatchObject({ "anthropic-beta": "b1" });
    expect(last?.headers).not.toHaveProperty("x-hop");
    expect(JSON.stringify(last?.headers)).not.toContain(standIn);
  }
});

test("streams an answer as it comes", async () => {
  const socket = await startKeeper();
  const pieces: string[] = [];
  const done = ask(socket, "/v1/stream", { headers: ours, onData: (piece) => pieces.push(piece) });
  await eventually(() => pieces.join("") === "data: one\n\n", { what: "the first piece" });
  held.pop()?.();
  expect((await done).text).toBe("data: one\n\ndata: two\n\n");
});

test.each([
  ["without the stand-in", {}],
  ["with another word", { authorization: "Bearer sk-stand-in-of-one-sessioN" }],
  ["with the stand-in inside another value", { cookie: `key=${standIn}` }],
])("refuses a request %s, and the service hears nothing of it", async (_, headers) => {
  const socket = await startKeeper();
  const before = seen.length;
  expect((await ask(socket, "/v1/messages", { headers })).status).toBe(401);
  expect(seen).toHaveLength(before);
});

test.each(["/", "/v2/messages", "/v1/../admin", "/v1/%2e%2e/admin", "/v1x", "//evil.example/v1/messages"])(
  "refuses the path %s, which is not the service's",
  async (path) => {
    const socket = await startKeeper();
    const before = seen.length;
    expect((await ask(socket, path, { headers: ours })).status).toBe(404);
    expect(seen).toHaveLength(before);
  },
);

test("an address of another service in the request line is refused", async () => {
  const socket = await startKeeper();
  const line = `GET http://evil.example/v1/messages HTTP/1.1\r\nHost: evil.example\r\nAuthorization: Bearer ${standIn}\r\nConnection: close\r\n\r\n`;
  const stream = connect(socket);
  stream.write(line);
  expect(await text(stream)).toMatch(/^HTTP\/1\.1 404 /);
});

test("a service that repeats the key in its refusal is heard with the stand-in instead", async () => {
  const socket = await startKeeper();
  const { status, text: body, headers } = await ask(socket, "/v1/refused", { headers: ours });
  expect(status).toBe(401);
  expect(JSON.parse(body)).toEqual({ error: `Incorrect API key provided: ${standIn}` });
  expect(headers["x-echo"]).toBe(standIn);
});

test("a redirect is passed on and not followed", async () => {
  const socket = await startKeeper();
  const { status, headers } = await ask(socket, "/v1/moved", { headers: ours });
  expect([status, headers.location]).toEqual([302, "http://127.0.0.1:9/elsewhere"]);
});

test("a service that breaks off is seen as that", async () => {
  const socket = await startKeeper();
  await expect(ask(socket, "/v1/breaks", { headers: ours })).rejects.toThrow(/hang up|ECONNRESET/);
});

test("leaves when its last lease is over, and a stranger's lease is none", async () => {
  const dir = await tempDir();
  onTestFinished(() => dir.remove());
  const { socket, ended } = await launch(dir.path);
  expect((await ask(socket, "/.agentruntime/lease", { headers: { authorization: "Bearer guess" } })).status).toBe(401);
  const holding = request({
    socketPath: socket,
    path: "/.agentruntime/lease",
    headers: { authorization: `Bearer ${lease}` },
  });
  holding.on("error", () => undefined);
  await new Promise<void>((resolve) => holding.on("response", (answer) => resolve(void answer.resume())).end());
  holding.destroy();
  expect((await ended).exitCode).toBe(0);
});

async function startKeeper(): Promise<string> {
  const dir = await tempDir();
  const { socket, stop } = await launch(dir.path);
  onTestFinished(async () => {
    await stop();
    await dir.remove();
  });
  return socket;
}

async function launch(dir: string) {
  const socket = join(dir, "k");
  const child = execa(process.execPath, [program], { reject: false, buffer: false, cleanup: true });
  child.stdin.end(
    JSON.stringify({
      session_id: "one",
      socket_path: socket,
      stand_in: standIn,
      lease,
      key,
      upstream,
      log_path: join(dir, "requests.ndjson"),
      proxy: {},
    }),
  );
  const said = await new Promise<string>((resolve) => child.stdout.once("data", (chunk) => resolve(String(chunk))));
  expect(said).toBe("ok\n");
  return {
    socket,
    ended: child.then(({ exitCode }) => ({ exitCode })),
    stop: async () => {
      child.kill("SIGKILL");
      await child;
    },
  };
}

function ask(
  socketPath: string,
  path: string,
  options: {
    method?: string;
    headers?: Record<string, string>;
    body?: string;
    onData?: (piece: string) => void;
  } = {},
): Promise<{ status: number; headers: IncomingHttpHeaders; text: string }> {
  return new Promise((resolve, reject) => {
    const asking = request({ socketPath, path, method: options.method ?? "GET", headers: options.headers });
    asking.on("error", reject);
    asking.on("response", (answer) => {
      let whole = "";
      answer.setEncoding("utf8");
      answer.on("data", (piece: string) => {
        whole += piece;
        options.onData?.(piece);
      });
      answer.on("error", reject);
      answer.on("end", () => resolve({ status: answer.statusCode ?? 0, headers: answer.headers, text: whole }));
    });
    asking.end(options.body);
  });
}
