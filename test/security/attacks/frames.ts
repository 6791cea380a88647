/** WebSocket frames as they are on the wire, right or wrong, and the connection that they go over. */
import { randomBytes } from "node:crypto";
import { type IncomingMessage, request } from "node:http";
import type { Duplex } from "node:stream";
import type { Ground } from "./ground.ts";

export interface FrameShape {
  opcode?: number;
  payload?: string | Buffer;
  fin?: boolean;
  /** The three reserved bits. */
  rsv?: number;
  masked?: boolean;
  /** Said to be so long, whatever the payload is. */
  length?: bigint;
}

export const text = 1;
export const close = 8;
export const ping = 9;

export function frame({ opcode = text, payload = "", fin = true, rsv = 0, masked = true, length }: FrameShape): Buffer {
  const bytes = Buffer.from(payload);
  const size = length ?? BigInt(bytes.length);
  const head = [(fin ? 0x80 : 0) | (rsv << 4) | opcode];
  const maskBit = masked ? 0x80 : 0;
  if (size < 126n) head.push(maskBit | Number(size));
  else if (size < 65_536n) head.push(maskBit | 126, Number(size >> 8n), Number(size & 255n));
  else {
    head.push(maskBit | 127);
    for (let shift = 56n; shift >= 0n; shift -= 8n) head.push(Number((size >> shift) & 255n));
  }
  if (!masked) return Buffer.concat([Buffer.from(head), bytes]);
  const mask = randomBytes(4);
  return Buffer.concat([Buffer.from(head), mask, bytes.map((byte, at) => byte ^ (mask[at % 4] ?? 0))]);
}

/** What is answered with a pong by who lives. */
export const alive = frame({ payload: '{"type":"ping"}' });

export interface Upgraded {
  socket: Duplex;
  response: IncomingMessage;
  head: Buffer;
}

export function upgrade(
  ground: { daemon: { url: string }; id: string; bearer: Ground["bearer"] },
  headers: Record<string, string> = {},
): Promise<Upgraded> {
  return new Promise((resolve, reject) => {
    const asked = request(`${ground.daemon.url}/ws/sessions/${ground.id}`, {
      agent: false,
      headers: {
        connection: "Upgrade",
        upgrade: "websocket",
        "sec-websocket-version": "13",
        "sec-websocket-key": randomBytes(16).toString("base64"),
        ...ground.bearer("write"),
        ...headers,
      },
    });
    asked.on("upgrade", (response, socket, head) => resolve({ response, socket, head }));
    asked.on("response", ({ statusCode }) => reject(new Error(`not upgraded: ${statusCode}`)));
    asked.on("error", reject);
    asked.end();
  });
}

/** The first thing of note among what the daemon sent: a pong or an error of ours, or its close. */
export function notable(received: Buffer): string | undefined {
  for (let at = 0; at + 2 <= received.length; ) {
    const opcode = (received[at] ?? 0) & 15;
    let size = (received[at + 1] ?? 0) & 127;
    at += 2;
    if (size === 126) {
      if (at + 2 > received.length) return undefined;
      size = received.readUInt16BE(at);
      at += 2;
    } else if (size === 127) {
      if (at + 8 > received.length) return undefined;
      size = Number(received.readBigUInt64BE(at));
      at += 8;
    }
    if (at + size > received.length) return undefined;
    const payload = received.subarray(at, at + size);
    at += size;
    if (opcode === close) return `closed with ${size >= 2 ? payload.readUInt16BE(0) : "no code"}`;
    if (opcode !== text) continue;
    const { type, code } = JSON.parse(payload.toString("utf8"));
    if (type === "pong") return "pong";
    if (type === "error") return `\`${code}\``;
  }
  return undefined;
}
