/** Whoever speaks WebSocket badly on purpose, or says over it what only the daemon or an agent may say. */
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { WebSocketServer } from "ws";
import { eventually } from "../../support/eventually.ts";
import type { Attack, AttackGroup } from "./attack.ts";
import { alive, close, type FrameShape, frame, notable, ping, text, type Upgraded, upgrade } from "./frames.ts";
import { Ground } from "./ground.ts";
import { answersTo, statusesOf } from "./raw.ts";

type Row = Attack<Ground>;

/** The first thing of note that the daemon says to these bytes: a pong or an error of ours, or its close. */
async function outcomeOf(ground: Ground, bytes: Buffer): Promise<string> {
  const { socket, head } = await upgrade(ground);
  let received = head;
  let isOver = false;
  socket.on("data", (chunk: Buffer) => {
    received = Buffer.concat([received, chunk]);
  });
  // Whoever is cut off while it still sends hears of it in this way.
  socket.on("error", () => undefined);
  socket.on("close", () => {
    isOver = true;
  });
  socket.on("end", () => socket.end());
  socket.write(bytes);
  try {
    return await eventually(() => notable(received) ?? (isOver ? "cut off" : undefined), { deadlineMs: 30_000 });
  } finally {
    socket.destroy();
  }
}

/** Frames that break the protocol. Behind them comes a ping that would be answered if they had been taken. */
function broken(name: string, meets: string, frames: FrameShape[] | (() => Buffer), control?: FrameShape[]): Row {
  const right = control ?? [{ payload: '{"type":"ping"}' }];
  return {
    name,
    meets,
    attempt: (ground) =>
      outcomeOf(ground, Buffer.concat([...(typeof frames === "function" ? [frames()] : frames.map(frame)), alive])),
    control: {
      name: control === undefined ? "an ordinary frame" : "as it should be",
      meets: "pong",
      attempt: (ground) => outcomeOf(ground, Buffer.concat([...right.map(frame), alive])),
    },
  };
}

const wrong = "closed with 1002";
const halves: FrameShape[] = [
  { payload: '{"type":"re', fin: false },
  { opcode: 0, payload: 'size"}' },
];
const protocol: Row[] = [
  broken("a frame that is not masked", wrong, [{ payload: '{"type":"ping"}', masked: false }]),
  broken("a compressed frame that nobody agreed on", wrong, [{ payload: '{"type":"ping"}', rsv: 4 }]),
  broken("reserved bits", wrong, [{ payload: '{"type":"ping"}', rsv: 3 }]),
  broken("a reserved opcode of data", wrong, [{ opcode: 3, payload: "x" }]),
  broken("a reserved opcode of control", wrong, [{ opcode: 11, payload: "x" }]),
  broken("a ping in fragments", wrong, [{ opcode: ping, payload: "x", fin: false }], [{ opcode: ping, payload: "x" }]),
  broken(
    "a ping of 126 bytes",
    wrong,
    [{ opcode: ping, payload: "x".repeat(126) }],
    [{ opcode: ping, payload: "x".repeat(125) }],
  ),
  broken("the rest of a message that was not begun", wrong, [{ opcode: 0, payload: "x" }], halves),
  broken(
    "a message begun in the midst of another",
    wrong,
    [{ payload: '{"type":"re', fin: false }, { payload: 'size"}' }],
    halves,
  ),
  broken("a close of one byte", wrong, [{ opcode: close, payload: "x" }]),
  broken("a close with a code that nobody may send", wrong, [{ opcode: close, payload: Buffer.from([0x03, 0xed]) }]),
  broken("a close whose reason is no UTF-8", "closed with 1007", [
    { opcode: close, payload: Buffer.from([0x03, 0xe8, 0xff]) },
  ]),
  broken(
    "text that is no UTF-8",
    "closed with 1007",
    [{ payload: Buffer.from('{"type":"prompt","data":"\xff"}', "latin1") }],
    [{ payload: '{"type":"resize"}' }],
  ),
  broken(
    "UTF-8 of a character that is half",
    "closed with 1007",
    [{ payload: Buffer.from([0xed, 0xa0, 0x80]) }],
    [{ payload: '{"type":"resize"}' }],
  ),
  broken("a frame that says it is 1 GiB", "closed with 1009", [{ payload: "x", length: 1n << 30n }]),
  broken("a frame that says it is more than all counting", "closed with 1009", [{ payload: "x", length: 1n << 62n }]),
  broken("9 MiB in nine frames", "closed with 1009", () => {
    const mebibyte = "x".repeat(0x100000);
    const parts = Array.from({ length: 9 }, (_, n) =>
      frame({ opcode: n === 0 ? text : 0, payload: mebibyte, fin: n === 8 }),
    );
    return Buffer.concat(parts);
  }),
  broken(
    "a message in 100,000 frames of one byte",
    "closed with 1008",
    () =>
      Buffer.concat(
        Array.from({ length: 100_000 }, (_, n) => frame({ opcode: n === 0 ? text : 0, payload: " ", fin: false })),
      ),
    halves,
  ),
  broken(
    "a million frames of nothing in one message",
    "closed with 1008",
    () => Buffer.concat([frame({ fin: false }), Buffer.alloc(6_000_000, frame({ opcode: 0, fin: false }))]),
    halves,
  ),
];

/** Frames of JSON that no client has to send. */
function said(name: string, meets: string, payload: string): Row {
  return {
    name,
    meets,
    // Each is answered with an error; a ping would be answered before it.
    attempt: (ground) => outcomeOf(ground, frame({ payload })),
    control: { name: "a frame that there is", meets: "pong", attempt: (ground) => outcomeOf(ground, alive) },
  };
}

const id = "11111111-0000-4000-8000-000000000000";
const unknown = "`unknown_frame`";
const words: Row[] = [
  said("a forged `stdout`, for who else watches", unknown, '{"type":"stdout","data":"x","offset":1}'),
  said("a forged `exit`", unknown, '{"type":"exit","exit_code":0}'),
  said("a forged `input_required`", unknown, `{"type":"input_required","data":{"request_id":"${id}"}}`),
  said("a forged `accepted`", unknown, '{"type":"accepted","turn_id":"t1","position":0}'),
  said("a command of the daemon's to a sidecar", unknown, '{"type":"stop","data":{"reason":"x"}}'),
  said("a type inherited from `__proto__`", unknown, '{"__proto__":{"type":"prompt","data":"smuggled"}}'),
  said("a type that every object has", unknown, '{"type":"constructor"}'),
  said(
    "an answer to a question that was not asked",
    "`input_not_found`",
    `{"type":"respond","request_id":"${id}","decision":"approve_once"}`,
  ),
  said("a frame nested 100,000 deep", "`invalid_frame`", `{"type":"prompt","data":${"[".repeat(100_000)}`),
  said("a prompt with NUL", "`invalid_frame`", '{"type":"prompt","data":"a\\u0000"}'),
  said("a prompt with half a character", "`invalid_frame`", '{"type":"prompt","data":"\\ud83d"}'),
];

const offer = "permessage-deflate; client_max_window_bits";
const handshakes: Row[] = [
  {
    name: "an offer of compression, for a bomb to come",
    meets: "not agreed on",
    attempt: (ground) => agreed(ground, offer),
    control: {
      name: "to a server that takes such offers",
      meets: "permessage-deflate",
      attempt: async ({ id }) => {
        const server = new WebSocketServer({ port: 0, host: "127.0.0.1", perMessageDeflate: true });
        await once(server, "listening");
        const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
        const answer = await agreed({ daemon: { url }, id, bearer: () => ({ authorization: "" }) }, offer);
        server.close();
        return answer.split(";")[0] ?? "";
      },
    },
  },
  ...(
    [
      [
        "an upgrade of a version that never was",
        "Sec-WebSocket-Version: 7\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n",
        "400",
      ],
      ["an upgrade with a key of no length", "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AA==\r\n", "400"],
    ] as const
  ).map(
    ([name, lines, meets]): Row => ({
      name,
      meets,
      attempt: (ground) => statusesOf(ground.daemon.url, handshake(ground, lines)),
      control: { name: "an ordinary one", meets: "101", attempt: async (ground) => opened(await upgrade(ground)) },
    }),
  ),
  {
    name: "a prompt sent along with an upgrade that is refused",
    meets: "401, and nothing in the log",
    attempt: (ground) => sentAlong(ground, "without its token", (head) => head.replace(/Authorization: .*\r\n/, "")),
    control: {
      name: "along with one that is not",
      meets: "101, and it is in the log",
      attempt: (ground) => sentAlong(ground, "with its token", (head) => head),
    },
  },
];

/** A prompt in the same packet as the head of an upgrade, and what comes of both. */
async function sentAlong(ground: Ground, words: string, meddle: (head: string) => string): Promise<string> {
  const lines = "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n";
  const early = frame({ payload: JSON.stringify({ type: "prompt", data: words }) });
  const bytes = Buffer.concat([Buffer.from(meddle(handshake(ground, lines))), early, alive]);
  // Answered when the prompt is in the log, or by the refusal.
  const told = await answersTo(ground.daemon.url, bytes, { until: /"accepted"|HTTP\/1\.1 4/ });
  const { text: log } = await ground.daemon.get(`/sessions/${ground.id}/logs`);
  const status = /HTTP\/1\.1 (\d{3}) /.exec(told)?.[1];
  return `${status}, and ${log.includes(words) ? "it is" : "nothing"} in the log`;
}

function handshake(ground: Ground, lines: string): string {
  const { authorization } = ground.bearer("write");
  return `GET /ws/sessions/${ground.id} HTTP/1.1\r\nHost: localhost\r\nAuthorization: ${authorization}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n${lines}\r\n`;
}

function opened({ socket, response }: Upgraded): string {
  socket.destroy();
  return String(response.statusCode);
}

async function agreed(ground: Parameters<typeof upgrade>[0], offer: string): Promise<string> {
  const { socket, response } = await upgrade(ground, { "sec-websocket-extensions": offer });
  socket.destroy();
  return response.headers["sec-websocket-extensions"] ?? "not agreed on";
}

export const sockets: AttackGroup<Ground> = {
  title: "WebSockets",
  who: "a client with a token that may write, whose frames break the protocol or are not a client's to send",
  open: () => Ground.open(),
  close: (ground) => ground.close(),
  attacks: [...protocol, ...words, ...handshakes],
};
