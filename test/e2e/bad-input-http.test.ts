import { mkdir, readdir, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { type Daemon, startDaemon } from "../support/start-daemon.ts";
import { type TempDir, tempDir } from "../support/temp-dir.ts";

const agents = {
  echo: { command: process.execPath, args: [new URL("../fixtures/agents/echo.mjs", import.meta.url).pathname] },
};

let daemon: Daemon;
let dir: TempDir;
beforeAll(async () => {
  dir = await tempDir();
  const home = join(dir.path, "person");
  await mkdir(join(home, ".ssh"), { recursive: true });
  await mkdir(join(home, "project"));
  await writeFile(join(home, "file"), "");
  await symlink(join(home, "project"), join(home, "link"));
  daemon = await startDaemon({ config: { agents }, env: { HOME: home } });
});
afterAll(async () => {
  await daemon?.stop();
  await dir?.remove();
});

/** Nothing is listed, and nothing is left on disk. */
async function expectNothingMade(): Promise<void> {
  expect((await daemon.get("/sessions")).body).toEqual([]);
  const folders = ["sessions", "run"].map((name) => readdir(join(daemon.dataDir, name)).catch(() => []));
  expect(await Promise.all(folders)).toEqual([[], []]);
}

describe("POST /sessions refuses and makes nothing:", () => {
  afterEach(expectNothingMade);
  const ok = { agent: "echo", prompt: "hi" };
  const inHome = (path: string) => () => join(dir.path, "person", path);

  const bodies: [string, string, number, string][] = [
    ["no body", "", 400, "invalid_request"],
    ["half a body", '{"agent":"echo"', 400, "invalid_json"],
    ["text", "hello", 400, "invalid_json"],
    ["null", "null", 400, "invalid_request"],
    ["a list", "[]", 400, "invalid_request"],
    ["a number", "1", 400, "invalid_request"],
    ["a body with __proto__", '{"agent":"echo","prompt":"hi","__proto__":{"interactive":true}}', 400, "invalid_json"],
    ["a body over 8 MiB", JSON.stringify({ ...ok, prompt: "x".repeat(8 * 1024 * 1024) }), 413, "body_too_large"],
  ];
  test.each(bodies)("%s", async (_, raw, status, code) => {
    expect(await asked({ raw })).toEqual({ status, error: code, message: expect.stringMatching(/.{10}/) });
  });

  test.each(["", "null"])("%j, saying that there is no body", async (raw) => {
    expect((await asked({ raw })).message).toMatch(/^Cannot create a session: the request has no body\. Send /);
  });

  const fields: [string, Record<string, unknown>, string][] = [
    ["no agent", { prompt: "hi" }, "invalid_request"],
    ["an empty agent", { ...ok, agent: "" }, "invalid_request"],
    ["an unknown agent", { ...ok, agent: "nobody" }, "unknown_agent"],
    ["an agent that is a path", { ...ok, agent: "/bin/sh" }, "unknown_agent"],
    ["an agent that every object has", { ...ok, agent: "constructor" }, "unknown_agent"],
    ["an unknown runtime", { ...ok, runtime: "podman" }, "unknown_runtime"],
    ["a runtime that is not enabled", { ...ok, runtime: "docker" }, "unknown_runtime"],
    ["no prompt", { agent: "echo" }, "invalid_request"],
    ["a prompt of blanks", { ...ok, prompt: " \n" }, "invalid_request"],
    ["a prompt with NUL", { ...ok, prompt: "a\0b" }, "invalid_request"],
    ["a prompt with half an emoji", { ...ok, prompt: "😀".slice(0, 1) }, "invalid_request"],
    ["a prompt that is a number", { ...ok, prompt: 5 }, "invalid_request"],
    ["interactive as text", { ...ok, interactive: "yes" }, "invalid_request"],
    ["a misspelt field", { ...ok, promt: "hi" }, "invalid_request"],
    ["a command line", { ...ok, command: ["sh"] }, "invalid_request"],
    ["a timeout without unit", { ...ok, timeout: "90" }, "invalid_request"],
    ["a timeout of nothing", { ...ok, timeout: "0s" }, "invalid_request"],
    ["a session_id that is a path", { ...ok, session_id: "../../x" }, "invalid_session_id"],
    ["a name with a slash", { ...ok, name: "a/b" }, "invalid_request"],
    ["a name that is a route", { ...ok, name: "history" }, "invalid_request"],
    ["an empty model", { ...ok, model: "" }, "invalid_request"],
    ["a model that is a flag", { ...ok, model: "--bare" }, "invalid_request"],
    ["an effort of two lines", { ...ok, effort: "high\nlow" }, "invalid_request"],
    ["a resume_session that is a flag", { ...ok, resume_session: "-x" }, "invalid_request"],
    ["an allowed tool with NUL", { ...ok, claude: { allowed_tools: ["Bash", "a\0"] } }, "invalid_request"],
    ["a timeout of a month", { ...ok, timeout: "720h" }, "invalid_request"],
    ["a reserved env key", { ...ok, env: { LD_PRELOAD: "/x.so" } }, "env_key_reserved"],
    ["an env value with NUL", { ...ok, env: { A: "\0" } }, "invalid_request"],
    ["a tag that is a number", { ...ok, tags: { a: 1 } }, "invalid_request"],
    ["a container locally", { ...ok, container: {} }, "unsupported_by_runtime"],
    ["volumes locally", { ...ok, volumes: ["/a:/b"] }, "unsupported_by_runtime"],
    ["pty locally", { ...ok, pty: true }, "unsupported_by_runtime"],
    ["a team", { ...ok, team: { name: "x" } }, "unsupported_by_agent"],
  ];
  test.each(fields)("%s", async (_, body, code) => {
    expect(await asked({ body })).toEqual({ status: 400, error: code, message: expect.stringMatching(/.{10}/) });
  });

  const places: [string, () => string][] = [
    ["relative", () => "project"],
    ["empty", () => ""],
    ["missing", inHome("missing")],
    ["a file", inHome("file")],
    ["the root", () => "/"],
    ["sensitive", inHome(".ssh")],
    ["around something sensitive", inHome("")],
    ["reached through a symlink", inHome("link")],
    ["reached through ..", () => `${join(dir.path, "person")}/project/../project`],
    ["the data dir", () => daemon.dataDir],
    ["with NUL", () => "/tmp\0"],
  ];
  test.each(places)("a work_dir that is %s", async (_, path) => {
    expect(await asked({ body: { ...ok, work_dir: path() } })).toMatchObject({
      status: 400,
      error: "invalid_work_dir",
    });
  });

  test.each(["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"])(
    "a body that is %s",
    async (type) => {
      const answer = await daemon.post("/sessions", undefined, {
        raw: JSON.stringify(ok),
        headers: { "content-type": type },
      });
      expect(answer).toMatchObject({ status: 415, body: { error: "unsupported_media_type" } });
    },
  );

  test("a sidecar that does not come up in time, also for who waits for its end", async () => {
    const impatient = await startDaemon({ config: { agents, limits: { launch_timeout: "1ms" } } });
    try {
      const id = "0f0f0f0f-0000-4000-8000-000000000001";
      const [made, removed] = await Promise.all([
        impatient.post("/sessions", { ...ok, session_id: id, name: "again" }),
        impatient.delete(`/sessions/${id}`),
      ]);
      expect(made).toMatchObject({ status: 500, body: { error: "launch_failed" } });
      expect([200, 404]).toContain(removed.status);
      expect((await impatient.get("/metrics")).text).toContain(
        'agentruntime_launch_failures_total{runtime="local"} 1\n',
      );
      expect((await impatient.get("/sessions")).body).toEqual([]);
      expect(await Promise.all(["sessions", "run"].map((name) => readdir(join(impatient.dataDir, name))))).toEqual([
        [],
        [],
      ]);
      expect(await impatient.post("/sessions", { ...ok, session_id: id, name: "again" })).toMatchObject({
        status: 500,
        body: { error: "launch_failed" },
      });
    } finally {
      expect(await impatient.stop()).toEqual({ code: 0 });
    }
  });

  async function asked(given: { raw?: string; body?: unknown }) {
    const { status, body } = await daemon.post(
      "/sessions",
      given.body,
      given.raw === undefined ? {} : { raw: given.raw },
    );
    return { status, error: body.error, message: body.message };
  }
});

describe("addresses:", () => {
  const unknown = "00000000-0000-4000-8000-000000000000";
  const cases: [string, string, number, string][] = [
    ["GET", `/sessions/${unknown}`, 404, "session_not_found"],
    ["GET", `/sessions/${unknown}/info`, 404, "session_not_found"],
    ["GET", `/sessions/${unknown}/logs`, 404, "session_not_found"],
    ["GET", `/sessions/${unknown}/log`, 404, "log_not_found"],
    ["GET", `/sessions/${unknown}/blobs/x`, 404, "session_not_found"],
    ["GET", `/ws/sessions/${unknown}`, 404, "session_not_found"],
    ["DELETE", `/sessions/${unknown}`, 404, "session_not_found"],
    ["POST", `/sessions/${unknown}/stop`, 404, "session_not_found"],
    ["POST", `/sessions/${unknown}/interrupt`, 404, "session_not_found"],
    ["GET", "/sessions/..%2f..%2fetc%2fpasswd/log", 404, "log_not_found"],
    ["GET", "/sessions/%2e%2e/log", 404, "not_found"],
    ["GET", "/sessions/%zz", 400, "invalid_request"],
    ["GET", `/sessions/${"x".repeat(500)}`, 404, "not_found"],
    ["GET", "/nothing", 404, "not_found"],
    ["GET", "/chat", 404, "not_found"],
    ["PUT", "/sessions", 404, "not_found"],
    ["DELETE", "/sessions", 404, "not_found"],
    ["POST", "/health", 404, "not_found"],
    ["GET", `/sessions/${unknown}/prompt`, 404, "not_found"],
  ];
  test.each(cases)("%s %s is %i %s", async (method, path, status, error) => {
    const response = await fetch(daemon.url + path, { method, headers: { authorization: `Bearer ${daemon.token}` } });
    expect({ status: response.status, body: await response.json() }).toEqual({
      status,
      body: expect.objectContaining({ error, message: expect.any(String) }),
    });
  });
});

describe("with a session,", () => {
  let id: string;
  beforeAll(async () => {
    const { body } = await daemon.post("/sessions", { agent: "echo", interactive: true });
    id = body.session_id;
  });
  afterAll(async () => {
    await daemon.delete(`/sessions/${id}`);
  });
  afterEach(async () => {
    expect((await daemon.get(`/sessions/${id}`)).body).toMatchObject({ status: "running", turn_count: 0 });
  });

  const posts: [string, unknown, number, string][] = [
    ["prompt", {}, 400, "invalid_request"],
    ["prompt", { text: "" }, 400, "invalid_request"],
    ["prompt", { text: "\ud83d" }, 400, "invalid_request"],
    ["prompt", { text: "a\0" }, 400, "invalid_request"],
    ["prompt", { text: "hi", by: "me" }, 400, "invalid_request"],
    ["steer", { text: 1 }, 400, "invalid_request"],
    ["context", {}, 400, "invalid_request"],
    ["mention", {}, 400, "invalid_request"],
    ["mention", { file_path: "a", line_start: 1.5 }, 400, "invalid_request"],
    ["stop", { mode: "later" }, 400, "invalid_request"],
  ];
  test.each(posts)("POST %s %j is %i %s", async (verb, body, status, error) => {
    expect(await daemon.post(`/sessions/${id}/${verb}`, body)).toMatchObject({ status, body: { error } });
  });

  test.each(["-", "x", "1.5", "1e3", "0x10", "9".repeat(40)])("a cursor of %s is invalid_cursor", async (cursor) => {
    expect(await daemon.get(`/sessions/${id}/logs?cursor=${cursor}`)).toMatchObject({
      status: 400,
      body: { error: "invalid_cursor" },
    });
  });
  test.each(["", "-5", "0", "123456789012345"])("a cursor of %j is an answer", async (cursor) => {
    const { status, headers } = await daemon.get(`/sessions/${id}/logs?cursor=${cursor}`);
    expect({ status, cursor: headers.get("agentruntime-log-cursor") }).toEqual({ status: 200, cursor: "0" });
  });
  test.each(["wait=-1", "wait=61", "wait=x", "limit=0", "limit=x", "limit=1.5"])(
    "%s is invalid_request",
    async (query) => {
      expect(await daemon.get(`/sessions/${id}/logs?${query}`)).toMatchObject({
        status: 400,
        body: { error: "invalid_request" },
      });
    },
  );
  test("what is wrong with a poll is said in a sentence", async () => {
    const said = async (query: string) => (await daemon.get(`/sessions/${id}/logs?${query}`)).body.message;
    expect(await said("cursor=0&wait=abc")).toBe(
      `Cannot read the log of session "${id}": wait must be a number of seconds from 0 to 60`,
    );
    expect(await said("limit=0")).toContain("limit must be a whole number of bytes, at least 1");
  });
  test.each(["state=done", "limit=0", "limit=1001", "limit=x", "after=nobody"])(
    "a list with %s is invalid_request",
    async (query) => {
      expect(await daemon.get(`/sessions?${query}`)).toMatchObject({ status: 400, body: { error: "invalid_request" } });
    },
  );
  test("a turn that never was cannot be withdrawn", async () => {
    expect(await daemon.delete(`/sessions/${id}/prompts/t99`)).toMatchObject({
      status: 404,
      body: { error: "turn_not_found" },
    });
  });
  test.each(["none", "..%2fsession.json", ".hidden"])("a blob %s is blob_not_found", async (name) => {
    expect(await daemon.get(`/sessions/${id}/blobs/${name}`)).toMatchObject({
      status: 404,
      body: { error: "blob_not_found" },
    });
  });
});

describe("prompts reach the agent as they are:", () => {
  test.each([
    ["a dash", "--help"],
    ["two dashes", "-- rm"],
    ["a slash", "/exit now"],
    ["a backslash and quotes", `\\n "'$HOME \`id\``],
    ["characters of four bytes", "😀 é \u2028"],
    ["1 MiB", "x".repeat(1024 * 1024)],
  ])("%s", async (_, prompt) => {
    const { body } = await daemon.post("/sessions", { agent: "echo", prompt });
    const client = await daemon.ws(body.session_id, 0);
    await client.event(({ type }) => type === "exit");
    expect(client.events.filter(({ type }) => type === "stdout").map(({ data }) => data["text"])).toEqual([
      `echo: ${prompt}`,
    ]);
    expect(client.events.at(0)).toMatchObject({ type: "user_message", data: { kind: "prompt", text: prompt } });
    await client.close();
    await daemon.delete(`/sessions/${body.session_id}`);
  });

  test("and none becomes an argument", async () => {
    const { body } = await daemon.post("/sessions", { agent: "echo", prompt: "argv" });
    const client = await daemon.ws(body.session_id, 0);
    expect((await client.event(({ type }) => type === "stdout")).data).toEqual({ text: "[]" });
    await client.close();
    await daemon.delete(`/sessions/${body.session_id}`);
  });
});
