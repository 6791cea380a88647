/** A message that waits, and whose session the daemon cannot begin before it dies: who follows the message sees its answer. */
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, expect, it } from "vitest";
import { createClient } from "../../src/client/client.ts";
import { type CountsDaemon, startCountsDaemon } from "../support/counts-daemon.ts";
import { eventually } from "../support/eventually.ts";

let counts: CountsDaemon;
afterEach(() => counts.stop());

const dieAt = new URL("../fixtures/programs/die-at.mjs", import.meta.url).href;

/** A chat that answers, on a daemon that dies when it starts the sidecar of the message that waits; and the next daemon's port. */
async function answering(): Promise<{ first: string; port: string }> {
  counts = await startCountsDaemon();
  const port = new URL(counts.daemon.url).port;
  await counts.daemon.post("/chats", { name: "c", config: { agent: "counts" } });
  const { session_id } = (await counts.daemon.post("/chats/c/messages", { message: "words=2000 pause=50" })).body;
  await counts.until(session_id, (events) => events.some(({ type }) => type === "agent_message"));
  await counts.daemon.kill9();
  const file = join(counts.daemon.dataDir, "config-of-test.json");
  const config = JSON.parse(readFileSync(file, "utf8"));
  writeFileSync(file, JSON.stringify({ ...config, limits: { ready_sidecars: 0 } }));
  await counts.restart(["--port", port], {
    nodeArgs: ["--import", dieAt],
    // Before: so that the next daemon finds nothing of that sidecar to go on with.
    env: { DIE_AT: "sidecar.json", DIE_WHEN: "before", DIE_NOT: session_id },
  });
  return { first: session_id, port };
}

const waits = () =>
  eventually(async () => (await counts.daemon.get("/chats/c")).body.next_session, {
    deadlineMs: 60_000,
    what: "a message that waits",
  });

async function dieAndComeBack(first: string, port: string): Promise<void> {
  const dying = counts.daemon;
  await dying.post(`/sessions/${first}/interrupt`);
  await eventually(
    () =>
      dying.get("/health").then(
        () => false,
        () => true,
      ),
    { deadlineMs: 60_000, what: "the daemon's death" },
  );
  await dying.kill9();
  await counts.restart(["--port", port]);
}

function timesGiven(text: string): number {
  const journals = readdirSync(counts.journalDir).map((name) => readFileSync(join(counts.journalDir, name), "utf8"));
  const lines = journals.flatMap((journal) => journal.split("\n").filter((line) => line !== ""));
  return lines.filter((line) => JSON.parse(line).got === text).length;
}

it("by the command line", async () => {
  const { first, port } = await answering();
  const sending = counts.daemon.cli("chat", "send", "c", "words=1 pause=0 waited", "--follow");
  const second = await waits();
  await dieAndComeBack(first, port);
  const { exitCode, stdout, stderr } = await sending;
  const chat = (await counts.daemon.get("/chats/c")).body;
  const third = chat.session_chain.at(-1);
  expect(chat.session_chain).toEqual([first, second, third]);
  expect(chat.replaced_sessions).toEqual({ [second]: third });
  expect([exitCode, stderr]).toEqual([0, expect.stringContaining(`it went on into session ${third}`)]);
  expect(stdout).toContain("#1 ");
  expect(timesGiven("words=1 pause=0 waited")).toBe(1);
});

it("by the library", async () => {
  const { first, port } = await answering();
  const client = createClient({ url: counts.daemon.url, token: counts.daemon.token });
  const sent = await client.chats.at("c").send("words=1 pause=0 waited");
  const result = sent.result();
  expect(await waits()).toBe(sent.sessionId);
  await dieAndComeBack(first, port);
  expect(await result).toMatchObject({ status: "success" });
  expect(timesGiven("words=1 pause=0 waited")).toBe(1);
});
