/** Whoever speaks HTTP badly on purpose. The token is right: it is the bytes that are not. */
import { readFileSync } from "node:fs";
import type { Socket } from "node:net";
import { gzipSync } from "node:zlib";
import { eventually } from "../../support/eventually.ts";
import type { Attack, AttackGroup, Control } from "./attack.ts";
import { answered, Ground } from "./ground.ts";
import { answersTo, open, statusesOf } from "./raw.ts";

type Row = Attack<Ground>;

const rest = (ground: Ground) => `Host: localhost\r\nAuthorization: Bearer ${ground.daemon.token}\r\n`;
const next = (ground: Ground) => `GET /sessions HTTP/1.1\r\n${rest(ground)}Connection: close\r\n\r\n`;
const prompt = JSON.stringify({ text: "hi" });

function promptHead(ground: Ground, framing: string): string {
  return `POST /sessions/${ground.id}/prompt HTTP/1.1\r\n${rest(ground)}Content-Type: application/json\r\n${framing}\r\n`;
}

/** Two readings of where a request ends: what one takes for a body, another takes for the next request. */
function smuggled(name: string, framing: string, body: string, meets = "400"): Row {
  return {
    name,
    meets,
    attempt: (ground) => statusesOf(ground.daemon.url, `${promptHead(ground, framing)}${body}${next(ground)}`),
    control: {
      name: "two requests, each with its one length",
      meets: "202 200",
      attempt: (ground) =>
        statusesOf(
          ground.daemon.url,
          `${promptHead(ground, `Content-Length: ${prompt.length}\r\n`)}${prompt}${next(ground)}`,
        ),
    },
  };
}

const length = prompt.length;
const chunked = `${length.toString(16)}\r\n${prompt}\r\n0\r\n\r\n`;
const smuggling: Row[] = [
  smuggled("a length and chunks", `Content-Length: ${length}\r\nTransfer-Encoding: chunked\r\n`, chunked),
  smuggled("chunks and a length", `Transfer-Encoding: chunked\r\nContent-Length: ${length}\r\n`, chunked),
  smuggled("two lengths", `Content-Length: ${length}\r\nContent-Length: ${length + 5}\r\n`, prompt),
  smuggled("chunks, then `identity`", "Transfer-Encoding: chunked, identity\r\n", chunked),
  smuggled("an encoding that is nearly `chunked`", "Transfer-Encoding: xchunked\r\n", chunked),
  smuggled("`Transfer-Encoding` with a blank before its colon", "Transfer-Encoding : chunked\r\n", chunked),
  smuggled("`Transfer-Encoding` on a folded line", "Transfer-Encoding:\r\n chunked\r\n", chunked),
  smuggled("a length with a sign", `Content-Length: +${length}\r\n`, prompt),
  smuggled("a length below nothing", "Content-Length: -1\r\n", prompt),
  smuggled("a length in hexadecimal", "Content-Length: 0x10\r\n", prompt),
  smuggled("a length past all counting", "Content-Length: 99999999999999999999\r\n", prompt),
  smuggled("a chunk of more than all counting", "Transfer-Encoding: chunked\r\n", `ffffffffffffffffff\r\n${prompt}`),
  smuggled("a chunk whose size is no number", "Transfer-Encoding: chunked\r\n", `0x${chunked}`),
  smuggled("lines that end in LF alone", `X-A: b\nContent-Length: ${length}\r\n`, prompt),
  smuggled("NUL in a header", `X-A: b\0c\r\nContent-Length: ${length}\r\n`, prompt),
];

/** A whole request that is none of HTTP/1.1's. */
function malformed(name: string, bytes: (ground: Ground) => string, meets: string): Row {
  return {
    name,
    meets,
    attempt: (ground) => statusesOf(ground.daemon.url, bytes(ground)),
    control: {
      name: "an ordinary one",
      meets: "200",
      attempt: (ground) => statusesOf(ground.daemon.url, next(ground)),
    },
  };
}

const heads: Row[] = [
  malformed("HTTP/2 without being asked", () => "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "400"),
  malformed("a TLS hello", () => "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", "400"),
  malformed("headers of 64 KiB", (g) => next(g).replace("Host:", `X-A: ${"x".repeat(65_536)}\r\nHost:`), "431"),
  malformed("an address of 64 KiB", (g) => next(g).replace("/sessions", `/${"x".repeat(65_536)}`), "431"),
  malformed("20,000 headers", (g) => next(g).replace("Host:", `${"X-A: b\r\n".repeat(20_000)}Host:`), "431"),
  malformed(
    "CONNECT, to use it as a proxy",
    () => "CONNECT example.com:443 HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "closed",
  ),
  malformed("TRACE, to be told one's headers", (g) => next(g).replace("GET", "TRACE"), "404"),
];

/** Bodies, by the route that takes the largest. */
function body(
  name: string,
  raw: (ground: Ground) => string | Uint8Array,
  meets: string,
  control?: Control<Ground>,
): Row {
  return {
    name,
    meets,
    attempt: async (ground) => answered(await ground.daemon.post("/sessions", undefined, { raw: raw(ground) })),
    control: control ?? {
      name: "flat, and of known fields",
      meets: "201",
      attempt: async (ground) => answered(await ground.daemon.post("/sessions", { agent: "echo", prompt: "hi" })),
    },
  };
}

const nested = (depth: number) => `${'{"a":'.repeat(depth)}1${"}".repeat(depth)}`;
const withField = (field: string) => `{"agent":"echo","prompt":"hi",${field}}`;
const keys = (count: number) => Array.from({ length: count }, (_, n) => `"k${n}":0`).join(",");
const bodies: Row[] = [
  body("JSON nested 100,000 deep", () => withField(`"output_schema":${nested(100_000)}`), "400 `invalid_json`"),
  body("a million open brackets", () => "[".repeat(1_000_000), "400 `invalid_json`"),
  body("half a million fields", () => withField(keys(500_000)), "400 `invalid_json`"),
  body(
    "half a million tags",
    () => withField(`"tags":{${keys(500_000).replaceAll(":0", ':""')}}`),
    "400 `invalid_json`",
  ),
  body("a number that is infinite", () => withField('"max_turns":1e999'), "400 `invalid_request`"),
  body("`__proto__`", () => withField('"__proto__":{"interactive":true}'), "400 `invalid_json`"),
  body(
    "`constructor.prototype`",
    () => withField('"constructor":{"prototype":{"interactive":true}}'),
    "400 `invalid_json`",
  ),
  body(
    "`__proto__` spelt with an escape",
    () => withField('"\\u005f_proto__":{"interactive":true}'),
    "400 `invalid_json`",
  ),
  body("half a character", () => '{"agent":"echo","prompt":"\\ud83d"}', "400 `invalid_request`"),
  body("a NUL", () => '{"agent":"echo","prompt":"a\\u0000b"}', "400 `invalid_request`"),
  body(
    "bytes that are no UTF-8",
    () => Buffer.from('{"agent":"echo","prompt":"\xff\xfe"}', "latin1"),
    "400 `invalid_json`",
  ),
];

const large = "x".repeat(9 * 1024 * 1024);
const sizes: Row[] = [
  body("9 MiB", () => JSON.stringify({ agent: "echo", prompt: large }), "413 `body_too_large`", {
    name: "7 MiB",
    meets: "201",
    attempt: async (ground) =>
      answered(await ground.daemon.post("/sessions", { agent: "echo", prompt: "x".repeat(7 * 1024 * 1024) })),
  }),
  {
    name: "9 MiB in chunks, so that no length warns of it",
    meets: "413",
    attempt: (ground) => chunkedPrompt(ground, 9),
    control: { name: "7 MiB in chunks", meets: "202", attempt: (ground) => chunkedPrompt(ground, 7) },
  },
  {
    name: "a gzip bomb: 100 MB in 100 KB",
    meets: "400 `invalid_json`",
    attempt: async (ground) => {
      const raw = gzipSync(JSON.stringify({ agent: "echo", prompt: "x".repeat(100_000_000) }));
      const headers = { "content-encoding": "gzip" };
      return answered(await ground.daemon.post("/sessions", undefined, { raw, headers }));
    },
    control: {
      name: "not compressed, and small",
      meets: "201",
      attempt: async (ground) => answered(await ground.daemon.post("/sessions", { agent: "echo", prompt: "x" })),
    },
  },
  {
    name: "1,000 ranges of a log at once",
    meets: "206, and the log once",
    attempt: (ground) => ranged(ground, `bytes=${Array.from({ length: 1000 }, () => "0-").join(",")}`),
    control: { name: "one range", meets: "206, and less", attempt: (ground) => ranged(ground, "bytes=0-9") },
  },
  {
    name: "a list of 40,000 unknown fields, to be told them all",
    meets: "an answer of less than 1 KiB",
    attempt: async (ground) => {
      const { text } = await ground.daemon.post("/sessions", undefined, { raw: withField(keys(40_000)) });
      return text.length < 1024 ? "an answer of less than 1 KiB" : `an answer of ${text.length} bytes`;
    },
    control: {
      name: "one",
      meets: "it is named",
      attempt: async (ground) => {
        const { body } = await ground.daemon.post("/sessions", { agent: "echo", prompt: "hi", odd: 1 });
        return String(body.message).includes('"odd"') ? "it is named" : String(body.message);
      },
    },
  },
];

async function chunkedPrompt(ground: Ground, mebibytes: number): Promise<string> {
  const chunk = `100000\r\n${"x".repeat(0x100000)}\r\n`;
  const bytes = `9\r\n{"text":"\r\n${chunk.repeat(mebibytes)}2\r\n"}\r\n0\r\n\r\n`;
  const text = await answersTo(
    ground.daemon.url,
    `${promptHead(ground, "Transfer-Encoding: chunked\r\nConnection: close\r\n")}${bytes}`,
    { until: /^HTTP.*\r\n/ },
  );
  return /^HTTP\/1\.1 (\d{3})/.exec(text)?.[1] ?? "closed";
}

async function ranged(ground: Ground, range: string): Promise<string> {
  const { status, text } = await ground.daemon.get(`/sessions/${ground.id}/log`, { headers: { range } });
  const log = await ground.daemon.get(`/sessions/${ground.id}/log`);
  if (text.length < log.text.length) return `${status}, and less`;
  return `${status}, and ${text.length === log.text.length ? "the log once" : "more"}`;
}

/** Of both processes, with some files besides. */
const connectionsMax = Math.min(10_000, openFilesMax() - 1_000);

function openFilesMax(): number {
  if (process.platform !== "linux") return 2_000;
  const [, hard] = /^Max open files\s+\S+\s+(\d+)/m.exec(readFileSync("/proc/self/limits", "utf8")) ?? [];
  return Number(hard ?? 2_000);
}

/** What is begun and not gone on with; others are served meanwhile. */
function slow(name: string, begin: (ground: Ground) => string, meets: string): Row {
  return {
    name,
    meets,
    isWaiting: true,
    attempt: async (ground) => {
      const answer = answersTo(ground.daemon.url, begin(ground), { deadlineMs: 150_000 });
      if ((await ground.daemon.get("/health")).status !== 200) return "others are not served";
      return /^HTTP\/1\.1 (\d{3})/.exec(await answer)?.[1] ?? "closed";
    },
    control: { name: "sent at once", meets: "200", attempt: (ground) => statusesOf(ground.daemon.url, next(ground)) },
  };
}

const slowness: Row[] = [
  slow("headers that never end", (g) => next(g).slice(0, -2), "408"),
  {
    name: "10,000 connections that say nothing (or as many as one process may have)",
    meets: "others are served; each is closed",
    attempt: (ground) => idle(ground, connectionsMax - 100),
    control: {
      name: "more than the limit",
      meets: "others are not served",
      attempt: (ground) => idle(ground, connectionsMax + 100),
    },
  },
  slow("a body that never ends", (g) => `${promptHead(g, "Content-Length: 1000\r\n")}{"text":"`, "408"),
];

/** As many as that, until the daemon has closed each; somebody asks for the sessions while they are there. */
async function idle(ground: Ground, count: number): Promise<string> {
  let closed = 0;
  const sockets: Socket[] = [];
  const isServed = async () => (await statusesOf(ground.daemon.url, next(ground))) === "200";
  try {
    // No more at a time than wait in the line to be let in; whoever comes behind them is heard when they are in.
    while (sockets.length < count) {
      for (let n = 0; n < 250 && sockets.length < count; n++) {
        const socket = open(ground.daemon.url);
        socket.on("error", () => undefined);
        socket.on("close", () => {
          closed += 1;
        });
        // Its end is behind what the daemon says of it.
        socket.resume();
        sockets.push(socket);
      }
      if (!(await isServed())) return "others are not served";
    }
    await eventually(() => closed === count, { deadlineMs: 120_000, everyMs: 200, what: "the end of each" });
    return "others are served; each is closed";
  } finally {
    for (const socket of sockets) socket.destroy();
  }
}

export const requests: AttackGroup<Ground> = {
  title: "Requests",
  who: "a client with a good token that sends what no client should, to confuse the daemon or to use it up",
  open: () => Ground.open({ config: { limits: { max_connections: connectionsMax } } }),
  close: (ground) => ground.close(),
  attacks: [...smuggling, ...heads, ...bodies, ...sizes, ...slowness],
};
