/** A session's log over plain HTTP: server-sent events, and the read side of the Durable Streams protocol. */
import { readFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { stream } from "@durable-streams/client";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { eventually } from "../support/eventually.ts";
import { type Daemon, startDaemon } from "../support/start-daemon.ts";

const agent = (name: string) => fileURLToPath(new URL(`../fixtures/agents/${name}.mjs`, import.meta.url));
const lineCount = 20_000;

let daemon: Daemon;
beforeAll(async () => {
  const numbers = { command: process.execPath, args: [agent("numbers"), String(lineCount), "5"] };
  const echo = { command: process.execPath, args: [agent("echo")] };
  daemon = await startDaemon({ config: { agents: { numbers, echo } }, args: ["--client-stall", "2s"] });
});
afterAll(() => daemon.stop());

describe("GET /sessions/:id/events", () => {
  it("brings every line once, over as many connections as it takes, and ends with the session", async () => {
    const id = await create({ agent: "numbers", prompt: "go" });
    const lines: string[] = [];
    let last = "0";
    let connections = 0;
    for (let isOver = false; !isOver; ) {
      connections += 1;
      const { events, status } = await readEvents(`/sessions/${id}/events?since=0`, { last, most: 3000 });
      isOver = status === 204;
      for (const { id: offset, data } of events) {
        lines.push(data);
        last = offset;
      }
    }
    expect(connections).toBeGreaterThan(5);
    expect(`${lines.join("\n")}\n`).toBe(logOf(id));
  });

  it("begins with news without an offset, and with the next whole line when the offset is inside one", async () => {
    const id = await create({ agent: "echo", interactive: true });
    await say(id, "one");
    await eventually(() => logOf(id).includes("echo: one"), { what: "the first answer" });
    const first = logOf(id).split("\n", 1)[0] ?? "";
    const inside = await readEvents(`/sessions/${id}/events?since=3`, { most: 1 });
    expect(inside.events[0]?.data).toBe(logOf(id).split("\n")[1]);
    expect(inside.events[0]?.data).not.toBe(first);
    const news = readEvents(`/sessions/${id}/events`, { most: 1, onOpen: () => say(id, "two") });
    expect((await news).events[0]?.data).toContain('"text":"two"');
    await daemon.delete(`/sessions/${id}`);
  });

  it("refuses an offset that is no number, and an unknown session", async () => {
    const id = await create({ agent: "echo", interactive: true });
    expect((await daemon.get(`/sessions/${id}/events?since=x`)).body.error).toBe("invalid_cursor");
    expect((await daemon.get("/sessions/nobody/events")).status).toBe(404);
    await daemon.delete(`/sessions/${id}`);
  });

  it("a reader that takes nothing is closed, and costs the session nothing", async () => {
    const id = await create({ agent: "echo", interactive: true });
    await say(id, "lines 60000");
    await eventually(() => logOf(id).includes("60000 xxx"), { what: "all lines in the log", deadlineMs: 60_000 });
    const { hostname, port } = new URL(daemon.url);
    const reader = connect({ host: hostname, port: Number(port) });
    const cut = new Promise<string>((resolve) => reader.on("error", (error) => resolve(error.message)));
    reader.write(
      `GET /sessions/${id}/events?since=0 HTTP/1.1\r\nHost: ${hostname}\r\nAuthorization: Bearer ${daemon.token}\r\n\r\n`,
    );
    // Nobody reads. Empty lines before a next request mean nothing, and tell whether the other side is still there.
    const knock = setInterval(() => reader.write("\r\n"), 200);
    expect(await cut).toMatch(/EPIPE|ECONNRESET/);
    clearInterval(knock);
    reader.destroy();
    await say(id, "still here");
    await eventually(() => logOf(id).includes("echo: still here"), { what: "the next answer" });
    await daemon.delete(`/sessions/${id}`);
  });
});

describe("GET /sessions/:id/stream", () => {
  it.each([["long-poll" as const], ["sse" as const]])(
    "the official client follows a live session to its end by %s",
    async (live) => {
      const id = await create({ agent: "numbers", prompt: "go" });
      const response = await stream<{ seq: number }>({
        url: `${daemon.url}/sessions/${id}/stream`,
        headers: bearer(),
        offset: "-1",
        live,
        warnOnHttp: false,
      });
      const seqs: number[] = [];
      await new Promise<void>((resolve) => {
        response.subscribeJson((batch) => {
          seqs.push(...batch.items.map(({ seq }) => seq));
          if (batch.streamClosed) resolve();
          return Promise.resolve();
        });
      });
      expect(seqs).toEqual(Array.from({ length: logOf(id).split("\n").length - 1 }, (_, index) => index + 1));
    },
  );

  it("the official client takes what is there and stops", async () => {
    const id = await create({ agent: "numbers", prompt: "go" });
    await daemon.get(`/sessions/${id}/logs?cursor=0&wait=5`);
    const response = await stream<{ seq: number }>({
      url: `${daemon.url}/sessions/${id}/stream`,
      headers: bearer(),
      live: false,
      warnOnHttp: false,
    });
    const items = await response.json();
    expect(items.map(({ seq }) => seq)).toEqual(items.map((_, index) => index + 1));
    // Its offset goes on where it was.
    const rest = await daemon.get(`/sessions/${id}/stream?offset=${response.offset}`);
    expect(rest.body[0]?.seq ?? items.length + 1).toBe(items.length + 1);
  });

  it("tells where the end is, that there is no more, and answers 304 to who has it", async () => {
    const id = await create({ agent: "echo", prompt: "hello" });
    await eventually(async () => (await daemon.get(`/sessions/${id}`)).body.state === "completed", { what: "its end" });
    const head = await fetch(`${daemon.url}/sessions/${id}/stream`, { method: "HEAD", headers: bearer() });
    const end = head.headers.get("stream-next-offset");
    expect([head.status, end, head.headers.get("stream-closed"), head.headers.get("cache-control")]).toEqual([
      200,
      String(logOf(id).length).padStart(16, "0"),
      "true",
      "no-store",
    ]);
    const all = await daemon.get(`/sessions/${id}/stream`);
    expect(all.body).toEqual(linesOf(id).map((line) => JSON.parse(line)));
    expect(all.headers.get("stream-next-offset")).toBe(end);
    const again = await daemon.get(`/sessions/${id}/stream`, {
      headers: { "if-none-match": all.headers.get("etag") ?? "" },
    });
    expect(again.status).toBe(304);
    const tail = await daemon.get(`/sessions/${id}/stream?offset=now`);
    expect([tail.text, tail.headers.get("stream-up-to-date")]).toEqual(["[]", "true"]);
    const over = await daemon.get(`/sessions/${id}/stream?offset=${end}&live=long-poll`);
    expect([over.status, over.headers.get("stream-closed")]).toEqual([204, "true"]);
  });

  it("refuses offsets that were not given out, and ways to follow that it does not know", async () => {
    const id = await create({ agent: "echo", prompt: "hello" });
    const refused = ["offset=1", "offset=999999999", "offset=x", "offset=-2", "live=sse", "offset=-1&live=often"];
    for (const query of [...refused, "offset=", "offset=-1&offset=-1", "offset=-1&offset=now&live=long-poll"]) {
      const { status, body } = await daemon.get(`/sessions/${id}/stream?${query}`);
      expect([query, status, body.error]).toEqual([query, 400, "invalid_cursor"]);
      expect(body.message).toMatch(/^Cannot (read|follow) the stream[^\n✖]{10,}$/);
    }
  });

  it("says of a session that nobody knows that it is not there, whatever is asked", async () => {
    const url = `${daemon.url}/sessions/nobody/stream`;
    const head = await fetch(url, { method: "HEAD", headers: bearer() });
    expect([head.status, await head.text()]).toEqual([404, ""]);
    for (const query of ["", "?offset=now", "?offset=now&live=long-poll", "?offset=now&live=sse"]) {
      const { status, body } = await daemon.get(`/sessions/nobody/stream${query}`);
      expect([query, status, body.error]).toEqual([query, 404, "session_not_found"]);
    }
  });

  it("a poll from now on gets what is said next, and nothing from before", async () => {
    const id = await create({ agent: "echo", interactive: true });
    await say(id, "before");
    await eventually(() => logOf(id).includes("echo: before"), { what: "the first answer" });
    let answer: Awaited<ReturnType<typeof daemon.get>> | undefined;
    const polled = daemon.get(`/sessions/${id}/stream?offset=now&live=long-poll`).then((came) => {
      answer = came;
    });
    // Nobody can see that a poll has come, so something is said until it is answered.
    await eventually(async () => answer ?? say(id, "after"), { what: "the answer to the poll" });
    await polled;
    const position = Number(answer?.headers.get("stream-next-offset"));
    const lines = logOf(id).slice(0, position).trimEnd().split("\n").slice(-answer?.body.length);
    expect([answer?.status, answer?.body]).toEqual([200, lines.map((line) => JSON.parse(line))]);
    expect(answer?.text).toContain("after");
    expect(answer?.text).not.toContain("before");
    await daemon.delete(`/sessions/${id}`);
  });

  it("events from now on begin with where the end is, and end without a cursor when the session has", async () => {
    const id = await create({ agent: "echo", interactive: true });
    await say(id, "before");
    await eventually(() => logOf(id).includes("echo: before"), { what: "the first answer" });
    const end = String(logOf(id).length).padStart(16, "0");
    const response = await fetch(`${daemon.url}/sessions/${id}/stream?offset=now&live=sse`, { headers: bearer() });
    expect(response.headers.get("content-type")).toBe("text/event-stream");
    await say(id, "exit 0");
    const blocks = (await response.text()).split("\n\n").filter((block) => block.startsWith("event: "));
    const controls = blocks.flatMap((block) => /^event: control\ndata:(.*)$/.exec(block)?.[1] ?? []);
    expect(JSON.parse(controls[0] ?? "")).toEqual({
      streamNextOffset: end,
      streamCursor: expect.stringMatching(/^\d+$/),
      upToDate: true,
    });
    expect(JSON.parse(controls.at(-1) ?? "")).toEqual({
      streamNextOffset: String(logOf(id).length).padStart(16, "0"),
      upToDate: true,
      streamClosed: true,
    });
    expect(blocks.join("")).toContain('"text":"exit 0"');
    expect(blocks.join("")).not.toContain("before");
  });

  it("gives a reader that polls a cursor that it has not had", async () => {
    const id = await create({ agent: "echo", prompt: "hello" });
    const first = await daemon.get(`/sessions/${id}/stream?offset=-1&live=long-poll`);
    const cursor = Number(first.headers.get("stream-cursor"));
    const next = await daemon.get(`/sessions/${id}/stream?offset=-1&live=long-poll&cursor=${cursor}`);
    expect(Number(next.headers.get("stream-cursor"))).toBeGreaterThan(cursor);
  });
});

function bearer() {
  return { authorization: `Bearer ${daemon.token}` };
}

async function create(request: Record<string, unknown>): Promise<string> {
  const { status, body, text } = await daemon.post("/sessions", request);
  if (status !== 201) throw new Error(`no session: ${status} ${text}`);
  return String(body.session_id);
}

async function say(id: string, text: string): Promise<void> {
  expect((await daemon.post(`/sessions/${id}/prompt`, { text })).status).toBe(202);
}

function logOf(id: string): string {
  return readFileSync(join(daemon.dataDir, "sessions", id, "events.ndjson"), "utf8");
}

function linesOf(id: string): string[] {
  return logOf(id).split("\n").slice(0, -1);
}

/** Events until there are `most` of them or the daemon ends the body. */
async function readEvents(
  path: string,
  options: { last?: string; most: number; onOpen?: () => Promise<void> },
): Promise<{ status: number; events: { id: string; data: string }[] }> {
  const left = new AbortController();
  const response = await fetch(daemon.url + path, {
    headers: { ...bearer(), ...(options.last === undefined ? {} : { "last-event-id": options.last }) },
    signal: left.signal,
  });
  const events: { id: string; data: string }[] = [];
  let rest = "";
  await options.onOpen?.();
  const decoder = new TextDecoder();
  for await (const chunk of response.body ?? []) {
    const blocks = (rest + decoder.decode(chunk, { stream: true })).split("\n\n");
    rest = blocks.pop() ?? "";
    for (const block of blocks) {
      const data = /^data: (.*)$/m.exec(block)?.[1];
      if (data !== undefined && events.length < options.most)
        events.push({ id: /^id: (\d+)$/m.exec(block)?.[1] ?? "", data });
    }
    if (events.length >= options.most) break;
  }
  left.abort();
  return { status: response.status, events };
}
