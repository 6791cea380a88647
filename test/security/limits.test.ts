import { afterAll, beforeAll, expect, test } from "vitest";
import { eventually } from "../support/eventually.ts";
import { type Daemon, openSocket, requests, startDaemon } from "../support/start-daemon.ts";
import { call, routes } from "./routes.ts";

const agents = {
  echo: { command: process.execPath, args: [new URL("../fixtures/agents/echo.mjs", import.meta.url).pathname] },
};

let daemon: Daemon;
let slow: Daemon;
let paced: Daemon;
beforeAll(async () => {
  daemon = await startDaemon({ config: { agents } });
  // So few that a slow machine does not give out new ones meanwhile.
  paced = await startDaemon({ config: { agents, limits: { token_requests: 100 } } });
  slow = await startDaemon({ config: { agents, limits: { token_requests: 5 } } });
});
afterAll(async () => {
  await Promise.all([daemon?.stop(), slow?.stop(), paced?.stop()]);
});

test("a token that asks too often is told when to come again, on every route; others are served meanwhile", async () => {
  const { token } = (await slow.post("/tokens", { name: "eager", scope: "admin" })).body;
  const eager = { authorization: `Bearer ${token}` };
  for (const route of routes.filter(({ scope }) => scope !== "open")) {
    const burst = await Promise.all(Array.from({ length: 30 }, () => call(slow.url, route, eager)));
    const refused = burst.filter(({ status }) => status === 429);
    expect([route.pattern, refused.length > 0]).toEqual([route.pattern, true]);
    for (const { error, headers } of refused) {
      if (route.method !== "HEAD") expect(error).toBe("rate_limited");
      expect(headers["retry-after"]).toBe("1");
    }
    expect((await call(slow.url, { method: "GET", path: "/health" })).status).toBe(200);
  }
  expect(
    (
      await eventually(async () => {
        const answer = await slow.get("/sessions");
        return answer.status === 200 ? answer : undefined;
      })
    ).body,
  ).toEqual([]);
  await eventually(async () => (await requests(slow.url, token).get("/sessions")).status === 200);
});

test.each([
  "frames",
  "messages that are none",
  "pings of the protocol",
  "pings of WebSocket",
  "pongs that nobody asked for",
])(
  "a socket that sends %s too fast is told so and closed, and may come again; its session and others go on",
  async (kind) => {
    const { session_id: id } = (await paced.post("/sessions", { agent: "echo", interactive: true })).body;
    const name = kind.replaceAll(" ", "-").toLowerCase();
    const { token } = (await paced.post("/tokens", { name, scope: "write" })).body;
    const [fast, other] = [await openSocket({ url: paced.url, token, id }), await paced.ws(id)];
    let pongs = 0;
    fast.socket.on("pong", () => pongs++);
    const sends: Record<string, () => unknown> = {
      frames: () => fast.send({ type: "resize", cols: 1, rows: 1 }),
      "messages that are none": () => fast.send("none"),
      "pings of the protocol": () => fast.send({ type: "ping" }),
      "pongs that nobody asked for": () => fast.socket.pong(),
      // ws itself cuts off who sends sixty without having had their pongs.
      "pings of WebSocket": () => {
        const wanted = pongs + 1;
        fast.socket.ping();
        return eventually(() => pongs >= wanted || fast.closed !== undefined, { everyMs: 1 });
      },
    };
    // More than seven seconds' worth, so that it is too many also on a slow machine; fewer than may wait for their turn.
    for (let n = 0; n < 900 && fast.closed === undefined; n++) await sends[kind]?.();
    expect(await fast.ended()).toEqual({ code: 1013, reason: expect.stringContaining("since=") });
    const last = fast.frames.at(-1);
    expect(last).toMatchObject({ type: "error", code: "rate_limited" });
    expect(last).toHaveProperty("error", expect.stringContaining("limits.token_requests"));
    other.send({ type: "prompt", data: "and on" });
    await other.frame("accepted");
    await other.close();
    const again = await eventually(() => openSocket({ url: paced.url, token, id }));
    again.send({ type: "ping" });
    await again.frame("pong");
    await again.close();
  },
);

test("a message comes in a thousand fragments, and in no more", async () => {
  const { session_id: id } = (await daemon.post("/sessions", { agent: "echo", interactive: true })).body;
  const { token } = (await daemon.post("/tokens", { name: "fragments", scope: "read" })).body;
  const socket = await openSocket({ url: daemon.url, token, id });
  const send = (text: string, fin: boolean) => socket.socket.send(text, { fin });
  send('{"type":', false);
  for (let n = 0; n < 998; n++) send("", false);
  send('"ping"}', true);
  await socket.frame("pong");
  for (let n = 0; n < 1001; n++) send("", false);
  expect(await socket.ended()).toMatchObject({ code: 1008 });
});

test("a token begins no more sessions at once than it may; others begin theirs, and an end gives room", async () => {
  const own = await startDaemon({ config: { agents, limits: { token_sessions: 2 } } });
  const { token } = (await own.post("/tokens", { name: "busy", scope: "write" })).body;
  const busy = requests(own.url, token);
  const session = { agent: "echo", interactive: true };
  const [first, , third] = await Promise.all([1, 2, 3].map(() => busy.post("/sessions", session))).then((answers) =>
    answers.sort((a, b) => a.status - b.status),
  );
  expect(third).toMatchObject({
    status: 429,
    body: { error: "token_sessions", message: expect.stringContaining('"busy"') },
  });
  expect(third?.headers.get("retry-after")).toBe("5");
  expect((await own.post("/sessions", session)).status).toBe(201);
  await own.kill9();
  // Those that go on are still its own for the next daemon, and for the next secret of that name.
  const next = await startDaemon({ dataDir: own.dataDir });
  const again = requests(next.url, (await next.post("/tokens/busy/rotate")).body.token);
  expect((await again.post("/sessions", session)).body.error).toBe("token_sessions");
  await again.delete(`/sessions/${first?.body.session_id}`);
  expect((await again.post("/sessions", session)).status).toBe(201);
  await next.stop();
  await own.stop();
});

const nested = (depth: number) => `${'{"a":'.repeat(depth)}1${"}".repeat(depth)}`;

test("JSON that is nested too deep is refused, in bodies and frames, and brackets in texts are none", async () => {
  const body = (value: string) => `{"agent":"echo","prompt":"hi","output_schema":${value}}`;
  for (const bomb of [body(nested(100)), body(nested(100_000)), "[".repeat(1_000_000), `{"agent":${"[".repeat(101)}`]) {
    const { status, body: answer } = await daemon.post("/sessions", undefined, { raw: bomb });
    expect([status, answer.error, answer.message]).toEqual([400, "invalid_json", expect.stringContaining("100 deep")]);
  }
  const prompt = `"\\"${"[{".repeat(500)}\\\\`;
  const made = await daemon.post("/sessions", { agent: "echo", interactive: true, prompt });
  expect(made.status).toBe(201);
  const socket = await openSocket({ url: daemon.url, token: daemon.token, id: made.body.session_id });
  socket.send(`{"type":"prompt","data":${nested(100_000)}}`);
  expect(await socket.frame("error")).toMatchObject({
    code: "invalid_frame",
    error: expect.stringContaining("100 deep"),
  });
  socket.send({ type: "prompt", data: prompt });
  await socket.frame("accepted");
  await socket.close();
});

test.each([
  ["65 tags", { tags: Object.fromEntries(Array.from({ length: 65 }, (_, n) => [`t${n}`, ""])) }],
  ["a tag of 4097 characters", { tags: { a: "x".repeat(4097) } }],
  ["a tag's name of 257 characters", { tags: { ["x".repeat(257)]: "" } }],
  ["a runtime that the operator did not enable", { runtime: "docker" }],
  ["a runtime that every object has", { runtime: "constructor" }],
])("a session with %s is refused", async (_what, fields) => {
  const { status, body } = await daemon.post("/sessions", { agent: "echo", prompt: "hi", ...fields });
  expect([status, ["invalid_request", "unknown_runtime"].includes(body.error)]).toEqual([400, true]);
});
