/** The client library as others use it: the built package, by its name; and the examples of the documentation. */
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { execa } from "execa";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { type Client, createClient, type SessionHandle } from "../../src/client/client.ts";
import { type ClaudeDaemon, startClaudeDaemon } from "../support/claude-daemon.ts";
import { putEndedSession } from "../support/ended-session.ts";
import { eventually } from "../support/eventually.ts";
import { startDaemon } from "../support/start-daemon.ts";
import { tempDir } from "../support/temp-dir.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));
const echoPath = fileURLToPath(new URL("../fixtures/agents/echo.mjs", import.meta.url));
const numbersPath = fileURLToPath(new URL("../fixtures/agents/numbers.mjs", import.meta.url));
const agents = {
  echo: { command: process.execPath, args: [echoPath] },
  numbers: { command: process.execPath, args: [numbersPath, "5000", "5"] },
};

let claude: ClaudeDaemon;
let client: Client;
beforeAll(async () => {
  claude = await startClaudeDaemon();
  client = createClient({ url: claude.daemon.url, token: claude.daemon.token });
});
afterAll(() => claude.stop());

describe("a session", () => {
  test("is created, prompted, followed and stopped", async () => {
    const session = await client.sessions.create({ agent: "claude", interactive: true, prompt: "[[say:first]]" });
    expect(await session.firstTurn?.result()).toMatchObject({ status: "success", text: "first" });
    const turn = await session.prompt("[[say:second]]");
    expect(turn).toMatchObject({ id: "t2" });
    expect(await turn.result()).toMatchObject({ turn_id: "t2", text: "second" });
    expect(await session.view()).toMatchObject({ session_id: session.id, state: "running" });
    await session.stop("drain");
    expect(await session.result()).toMatchObject({ last: { turn_id: "t2" }, exit: { code: 0 } });
    expect((await client.sessions.list({ agent: "claude" })).map(({ session_id }) => session_id)).toContain(session.id);
    await session.delete();
    await expect(session.view()).rejects.toMatchObject({ code: "session_not_found" });
  });

  test("is steered, interrupted, and its question answered", async () => {
    const session = await client.sessions.create({
      agent: "claude",
      interactive: true,
      permission_mode: "interactive",
      prompt: "[[bash:touch asked]]",
    });
    const kinds: string[] = [];
    for await (const event of session.events()) {
      kinds.push(event.type);
      if (event.type === "input_required") await session.respond(event.data.request_id, { decision: "approve_once" });
      if (event.type === "result" && event.data.turn_id === "t1") await session.prompt("[[slow:60]]");
      if (event.type === "agent_message" && event.data.turn_id === "t2" && event.data.delta) break;
    }
    expect(kinds).toContain("input_resolved");
    await session.interrupt();
    for await (const event of session.events())
      if (event.type === "result" && event.data.turn_id === "t2") {
        expect(event.data.status).toBe("interrupted");
        break;
      }
    await session.delete();
  });
});

test("events come once and in order although the daemon is killed and comes back elsewhere in the midst of them", async () => {
  const first = await startDaemon({ config: { agents } });
  const port = new URL(first.url).port;
  const session = await createClient(first).sessions.create({ agent: "numbers", prompt: "go" });
  const seqs: number[] = [];
  let second: Awaited<ReturnType<typeof startDaemon>> | undefined;
  for await (const event of session.events()) {
    seqs.push(event.seq ?? 0);
    if (seqs.length === 500) {
      await first.kill9();
      second = await startDaemon({ dataDir: first.dataDir, args: ["--port", port] });
    }
  }
  expect(seqs.length).toBeGreaterThan(5000);
  expect(seqs).toEqual(seqs.map((_, index) => index + 1));
  await second?.stop();
  await first.stop();
});

test("a turn's result is waited for over a daemon that is away at that moment", async () => {
  const first = await startDaemon({ config: { agents } });
  const port = new URL(first.url).port;
  const session = await createClient(first).sessions.create({ agent: "echo", interactive: true });
  const turn = await session.prompt("hello");
  await first.kill9();
  const waiting = turn.result();
  const second = await startDaemon({ dataDir: first.dataDir, args: ["--port", port] });
  expect(await waiting).toMatchObject({ turn_id: turn.id, status: "success" });
  await second.stop();
  await first.stop();
});

test("what a later version tells is passed over, and all else comes once", async () => {
  const dir = await tempDir();
  const id = "66666666-0000-4000-8000-000000000001";
  const said = (text: string) => ({ type: "stdout", data: { text } });
  putEndedSession(join(dir.path, "data"), id, [said("a"), { type: "of_tomorrow", data: { text: "b" } }, said("c")]);
  const daemon = await startDaemon({ dataDir: join(dir.path, "data") });
  onTestFinished(async () => {
    await daemon.stop();
    await dir.remove();
  });
  const session = createClient(daemon).sessions.at(id);
  const events: unknown[] = [];
  let last = 0;
  for await (const { seq, type, offset } of session.events()) {
    events.push([seq, type]);
    last = offset;
  }
  expect(events).toEqual([
    [1, "stdout"],
    [3, "stdout"],
    [4, "exit"],
  ]);
  expect(last).toBe((await session.view()).log_bytes);
});

test("a log that has no exit and never will is not waited for", async () => {
  const first = await startDaemon({ config: { agents } });
  const session = await createClient(first).sessions.create({ agent: "echo", prompt: "hello" });
  await session.result();
  await first.leave();
  const log = join(first.dataDir, "sessions", session.id, "events.ndjson");
  const lines = (await readFile(log, "utf8")).trimEnd().split("\n");
  await writeFile(log, `${lines.slice(0, -1).join("\n")}\n`);
  const second = await startDaemon({ dataDir: first.dataDir });
  await expect(createClient(second).sessions.at(session.id).result()).rejects.toThrow(/its log has no exit/);
  await second.stop();
  await first.stop();
});

/** What is said twice when its answer is lost; each answers with what shows how often it was done. */
const losable: Record<string, (client: Client) => Promise<{ done: unknown; once: unknown }>> = {
  "a session's creation": async ({ sessions }) => {
    const { id } = await losingOne(() => sessions.create({ agent: "claude", interactive: true }));
    return { done: (await sessions.list()).map(({ session_id }) => session_id), once: [id] };
  },
  "a prompt": async ({ sessions }) => {
    const session = await sessions.create({ agent: "claude", interactive: true });
    await losingOne(() => session.prompt("[[say:hello]]"));
    return { done: await saidIn(session), once: ["[[say:hello]]"] };
  },
  "a steer": async ({ sessions }) => {
    const session = await sessions.create({ agent: "claude", interactive: true });
    await losingOne(() => session.steer("[[say:hello]]"));
    return { done: await saidIn(session), once: ["[[say:hello]]"] };
  },
  "a chat's creation": async ({ chats }) => {
    // Under another key the second would be refused: there is one of that name.
    const { name } = await losingOne(() => chats.create({ name: "lost", config: { agent: "claude" } }));
    return { done: (await chats.list()).map((chat) => chat.name), once: [name] };
  },
  "a chat's message": async ({ chats }) => {
    const chat = await chats.create({ name: "lost", config: { agent: "claude" } });
    const message = await losingOne(() => chat.send("[[say:hello]]"));
    await message.result();
    const { session_chain, next_session } = await chat.view();
    return { done: [session_chain, next_session], once: [[message.sessionId], undefined] };
  },
};

test.each(Object.entries(losable))("%s counts once although its answer was lost", async (_name, act) => {
  const { daemon, stop } = await startClaudeDaemon();
  onTestFinished(stop);
  const { done, once } = await act(createClient(daemon));
  expect(done).toEqual(once);
});

/** Runs it while the first answer gets lost, after the daemon has done what it was asked. */
async function losingOne<T>(act: () => Promise<T>): Promise<T> {
  const realFetch = globalThis.fetch;
  const keys: (string | null)[] = [];
  globalThis.fetch = async (...args) => {
    const response = await realFetch(...args);
    keys.push(new Headers(args[1]?.headers).get("idempotency-key"));
    if (keys.length > 1) return response;
    await response.arrayBuffer();
    throw new TypeError("fetch failed");
  };
  try {
    const result = await act();
    expect(keys).toEqual([expect.any(String), keys[0]]);
    return result;
  } finally {
    globalThis.fetch = realFetch;
  }
}

/** All that anybody said to its agent, which has ended. */
async function saidIn(session: SessionHandle): Promise<string[]> {
  await session.stop("drain");
  const said: string[] = [];
  for await (const event of session.events()) if (event.type === "user_message") said.push(event.data.text);
  return said;
}

test("a daemon that is not there, and a token that is wrong, are said", async () => {
  const nobody = createClient({ url: "http://127.0.0.1:9", token: "x" });
  const events = nobody.sessions.at("any").events();
  await expect(events[Symbol.asyncIterator]().next()).rejects.toThrow(/Cannot reach a daemon at http:\/\/127.0.0.1:9/);
  const stranger = createClient({ url: claude.daemon.url, token: "wrong" });
  await expect(stranger.sessions.list()).rejects.toMatchObject({ code: "unauthorized" });
});

describe("the built package", () => {
  test("needs no more than a browser's page has", async () => {
    const page = fileURLToPath(new URL("../fixtures/programs/client-in-a-page.mjs", import.meta.url));
    const { stdout } = await execa(
      process.execPath,
      ["--experimental-vm-modules", "--no-warnings", page, join(root, "dist/client.js")],
      { env: address() },
    );
    const types = stdout.split("\n");
    expect(types[0]).toBe("user_message");
    expect(types.slice(-2)).toEqual(["result", "exit"]);
  });

  test("is small, and has the licences of what is in it", async () => {
    expect((await readFile(join(root, "dist/client.js"), "utf8")).length).toBeLessThan(300_000);
    expect(await readFile(join(root, "dist/licenses.txt"), "utf8")).toContain("=== zod ");
  });
});

describe("examples", () => {
  test("ask.mjs prints the answer and exits as the agent did", async () => {
    const { stdout, exitCode } = await example("ask", ["[[say:A small repository]]"]);
    expect([stdout, exitCode]).toEqual(["A small repository", 0]);
  });

  test("turns.mjs has three turns of one conversation", async () => {
    const { stdout } = await example("turns", []);
    expect(stdout).toMatch(
      /^t1 success \(\$0\.\d{4}\): You said: Name a colour\nt2 success .*\nt3 success .*\nthe agent left with code 0$/,
    );
  });

  test.each(["ask", "approve", "watch"])("%s.mjs without arguments says how it is used", async (name) => {
    const { stderr, exitCode } = await exampleProcess(name, []);
    expect([stderr, exitCode]).toEqual([expect.stringMatching(new RegExp(`^Usage: node ${name}\\.mjs .+$`)), 2]);
  });

  test("approve.mjs lets nothing but reading pass", async () => {
    const { stdout } = await example("approve", ["[[bash:touch never-made]]"]);
    expect(stdout).toMatch(/^denied: Bash\nsuccess: /);
  });

  test("watch.mjs goes on behind what it has seen", async () => {
    const folder = await tempDir();
    onTestFinished(() => folder.remove());
    const file = join(folder.path, "offset");
    const session = await client.sessions.create({ agent: "claude", interactive: true, prompt: "[[say:one]]" });
    const watching = exampleProcess("watch", [session.id, file]);
    await eventually(async () => (await session.view()).turn_count === 1 && (await lastSeen(file, session.id)), {
      what: "all of the first turn seen",
    });
    watching.kill("SIGKILL");
    const before = String((await watching).stdout).split("\n");
    await session.stop("drain");
    const after = String((await example("watch", [session.id, file])).stdout).split("\n");
    // What it had shown and not yet written down when it was ended it shows again.
    const again = after[0] === before.at(-1) ? 1 : 0;
    const seqs = [...before, ...after.slice(again)].map((line) => Number(line.split(" ")[0]));
    expect(seqs).toEqual(seqs.map((_, index) => index + 1));
    expect(after.at(-1)).toMatch(/ exit$/);
  });

  test("many.mjs asks several agents at once", async () => {
    const { stdout } = await example("many", ["claude", "claude"]);
    expect(String(stdout).match(/success/g)).toHaveLength(2);
  });
});

async function lastSeen(file: string, id: string): Promise<boolean> {
  const { log_bytes } = await client.sessions.at(id).view();
  return Number(await readFile(file, "utf8").catch(() => "0")) === log_bytes;
}

function address(): Record<string, string> {
  return { AGENTD_URL: claude.daemon.url, AGENTD_TOKEN: claude.daemon.token };
}

function exampleProcess(name: string, args: readonly string[]) {
  return execa(process.execPath, [join(root, "docs/examples", `${name}.mjs`), ...args], {
    cwd: root,
    env: address(),
    reject: false,
    stdin: "ignore",
  });
}

async function example(name: string, args: readonly string[]) {
  const { stdout, stderr, exitCode } = await exampleProcess(name, args);
  if (stderr) throw new Error(`${name}.mjs: ${stderr}`);
  return { stdout, exitCode };
}
