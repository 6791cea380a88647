/**
 * What the conformance suite of the Durable Streams protocol needs before it can read: streams that it makes, fills and closes
 * itself. A session is written by its agent only, so this front makes of a PUT a session, of a POST a prompt and of a close the
 * session's end. What is read goes to the daemon as it was asked and comes back as the daemon answered it (status, headers,
 * offsets, when): only the bodies are put back from log lines into what was appended.
 */
import { randomUUID } from "node:crypto";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import * as z from "zod";
import { eventually } from "./eventually.ts";
import type { Daemon } from "./start-daemon.ts";

interface Stream {
  id: string;
  contentType: string;
}

/** Lines of a session that matter here: what was said to its agent, and that the turn is over, behind which nothing comes. */
const Line = z.union([
  z.object({ type: z.literal("user_message"), data: z.object({ text: z.string() }) }),
  z.object({ type: z.literal("result"), data: z.object({ turn_id: z.string() }) }),
  z.object({ type: z.string(), data: z.unknown() }),
]);

/** So many sessions live at once: each has a process, and the suite deletes few of its streams. */
const liveMax = 12;

/** `agent` is the name of one that reads and says nothing. */
export async function startDurableFront(daemon: Daemon, agent: string) {
  const streams = new Map<string, Stream>();
  const live: string[] = [];

  // A connection that is closed for being idle would be one more way for a case to fail.
  const server = createServer({ keepAliveTimeout: 0 }, (request, response) => {
    answer(request, response).catch((thrown) => {
      if (response.headersSent) response.destroy();
      else response.writeHead(500).end(`the front failed: ${thrown}`);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { pathname, search } = new URL(request.url ?? "/", "http://front");
    const body = await bytesOf(request);
    const known = streams.get(pathname);
    if (request.method === "GET" || request.method === "HEAD")
      return read(request, response, {
        search,
        stream: known ?? { id: randomUUID(), contentType: "application/json" },
      });
    if (request.method === "PUT") {
      const stream = known ?? (await make(request.headers["content-type"] ?? "application/octet-stream"));
      streams.set(pathname, stream);
      await append(stream, body);
      if (request.headers["stream-closed"] === "true") await end(stream);
      return written(response, 201, stream);
    }
    if (request.method === "POST" && known) {
      await append(known, body);
      if (request.headers["stream-closed"] === "true") await end(known);
      return written(response, 204, known);
    }
    response.writeHead(405).end();
  }

  async function make(contentType: string): Promise<Stream> {
    const { body, status, text } = await daemon.post("/sessions", { agent, interactive: true });
    if (status !== 201) throw new Error(`no session for a stream: ${status} ${text}`);
    const stream = { id: String(body.session_id), contentType };
    live.push(stream.id);
    if (live.length > liveMax) await daemon.delete(`/sessions/${live.shift()}`);
    return stream;
  }

  /** Comes back when nothing more comes of it, so that the end is where the suite takes it to be. */
  async function append({ id }: Stream, body: Buffer): Promise<void> {
    if (body.length === 0) return;
    const {
      body: accepted,
      status,
      text,
    } = await daemon.post(`/sessions/${id}/prompt`, { text: body.toString("base64") });
    if (status !== 202) throw new Error(`nothing appended: ${status} ${text}`);
    await eventually(async () => (await linesOf(id)).some((line) => isEndOf(line, accepted.turn_id)), {
      what: "the end of the turn",
    });
  }

  async function linesOf(id: string): Promise<unknown[]> {
    const lines: unknown[] = [];
    for (let offset = "-1"; ; ) {
      const portion = await daemon.get(`/sessions/${id}/stream?offset=${offset}`);
      lines.push(...portion.body);
      if (portion.headers.has("stream-up-to-date")) return lines;
      offset = portion.headers.get("stream-next-offset") ?? "";
    }
  }

  async function end({ id }: Stream): Promise<void> {
    await daemon.post(`/sessions/${id}/stop`, { mode: "now" });
    await eventually(async () => (await head(id)).headers.has("stream-closed"), { what: "the end of the session" });
  }

  async function written(response: ServerResponse, status: number, { id }: Stream): Promise<void> {
    const { headers } = await head(id);
    response.writeHead(status, { "stream-next-offset": headers.get("stream-next-offset") ?? "" }).end();
  }

  function head(id: string): Promise<Response> {
    return fetch(`${daemon.url}/sessions/${id}/stream`, { method: "HEAD", headers: bearer() });
  }

  async function read(
    request: IncomingMessage,
    response: ServerResponse,
    { search, stream }: { search: string; stream: Stream },
  ): Promise<void> {
    const left = new AbortController();
    response.on("close", () => left.abort());
    const conditions = request.headers["if-none-match"];
    const told = await fetch(`${daemon.url}/sessions/${stream.id}/stream${search}`, {
      method: request.method ?? "GET",
      headers: { ...bearer(), ...(conditions === undefined ? {} : { "if-none-match": conditions }) },
      signal: left.signal,
    });
    const headers = Object.fromEntries([...told.headers].filter(([name]) => !ownHeaders.has(name)));
    const isEvents = told.headers.get("content-type")?.startsWith("text/event-stream") === true;
    const isLines = told.ok && !isEvents;
    response.writeHead(told.status, { ...headers, ...(isLines ? { "content-type": stream.contentType } : {}) });
    if (told.status === 304 || told.status === 204 || request.method === "HEAD") response.end();
    else if (isEvents) await passEvents(told, response, stream);
    else if (isLines) response.end(appended(await told.json(), stream));
    else response.end(await told.text());
  }

  function bearer() {
    return { authorization: `Bearer ${daemon.token}` };
  }
}

/** What holds for one connection, or for the body as it was. */
const ownHeaders = new Set([
  "connection",
  "keep-alive",
  "transfer-encoding",
  "content-length",
  "content-encoding",
  "date",
]);

function isEndOf(line: unknown, turnId: string): boolean {
  const said = Line.parse(line);
  return said.type === "result" && (said.data as { turn_id?: string }).turn_id === turnId;
}

function messagesIn(lines: unknown): Buffer[] {
  return z
    .array(Line)
    .parse(lines)
    .filter(({ type }) => type === "user_message")
    .map(({ data }) => Buffer.from((data as { text: string }).text, "base64"));
}

function appended(lines: unknown, { contentType }: Stream): Buffer {
  const messages = messagesIn(lines);
  if (!contentType.startsWith("application/json")) return Buffer.concat(messages);
  return Buffer.from(JSON.stringify(messages.flatMap((message) => JSON.parse(message.toString()))));
}

/** Event by event, each as soon as it is there. */
async function passEvents(told: Response, response: ServerResponse, stream: Stream): Promise<void> {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const chunk of told.body ?? []) {
    const events = (rest + decoder.decode(chunk, { stream: true })).split("\n\n");
    rest = events.pop() ?? "";
    for (const event of events) response.write(rewritten(event, stream));
  }
  response.end(rest);
}

function rewritten(event: string, stream: Stream): string {
  const [, data] = /^event: data\ndata: ?(.*)$/.exec(event) ?? [];
  if (data === undefined) return `${event}\n\n`;
  const lines = JSON.parse(data);
  // A turn's end is no message: what the session says of itself is not in the suite's stream.
  if (messagesIn(lines).length === 0) return "";
  const text = appended(lines, stream).toString();
  const dataLines = text.split(/\r\n|\r|\n/).map((line) => `data:${line}`);
  return ["event: data", ...dataLines, "", ""].join("\n");
}

async function bytesOf(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk);
  return Buffer.concat(chunks);
}
