/** One WebSocket to a session: frames in as an async iterable, frames out. Knows nothing of lines or of reconnecting. */
import type { IncomingMessage } from "node:http";
import { type RawData, WebSocket } from "ws";
import { ServerFrame } from "../protocol/frame.ts";
import type { DaemonAddress } from "./address.ts";
import { readErrorAnswer } from "./error-answer.ts";
import { unreachable } from "./http.ts";

export interface FrameSocket {
  /** Ends when the socket is closed, by whomever. Never throws. One reader. */
  readonly frames: AsyncIterable<ServerFrame>;
  /** Why it closed, once it has. */
  readonly ending: string;
  close(): void;
}

/** Unread frames kept in memory, in characters, before we stop reading the socket. */
const queuedCharsMax = 16 * 1024 * 1024;
/** The daemon pings every 30 s: after this long without a sign it is gone, whatever TCP believes. */
const silenceMsMax = 90_000;
const handshakeMsMax = 10_000;
/** An older daemon replays a whole log in one frame. */
const frameBytesMax = 512 * 1024 * 1024;
const answerCharsMax = 64 * 1024;

/** Throws AgentdError when the daemon refuses, DaemonUnreachable when it does not answer. */
export function openFrameSocket(address: DaemonAddress, path: string): Promise<FrameSocket> {
  const { url } = address;
  const place = url.startsWith("unix:") ? `ws+${url}:` : url.replace(/^http/, "ws");
  const socket = new WebSocket(place + path, {
    headers: address.token === undefined ? {} : { authorization: `Bearer ${address.token}` },
    handshakeTimeout: handshakeMsMax,
    maxPayload: frameBytesMax,
    perMessageDeflate: false,
  });
  // Made before it is open: the first frames may come in the same read as the handshake's answer.
  const frameSocket = wrap(socket);
  return new Promise((resolve, reject) => {
    socket.once("open", () => resolve(frameSocket));
    socket.once("error", (cause) => reject(unreachable(address, cause)));
    socket.once("unexpected-response", (_request, response) => {
      readAnswer(response).then(
        (text) => reject(readErrorAnswer(address, { status: response.statusCode ?? 0, text })),
        reject,
      );
    });
  });
}

function wrap(socket: WebSocket): FrameSocket {
  const queue: string[] = [];
  let queuedChars = 0;
  let ending = "";
  let isClosed = false;
  let wake = () => {};

  let heardAt = performance.now();
  const heard = () => {
    heardAt = performance.now();
  };
  const watch = setInterval(() => {
    if (performance.now() - heardAt <= silenceMsMax || socket.isPaused) return;
    ending = `no sign of life for ${silenceMsMax / 1000} s`;
    socket.terminate();
  }, silenceMsMax / 6);

  socket.on("ping", heard);
  socket.on("message", (data) => {
    heard();
    const text = textOf(data);
    queue.push(text);
    queuedChars += text.length;
    if (queuedChars > queuedCharsMax) socket.pause();
    wake();
  });
  // An error is followed by a close, which ends the frames.
  socket.on("error", (error) => {
    ending ||= error.message;
  });
  socket.on("close", (code, reason) => {
    clearInterval(watch);
    ending ||= reason.length > 0 ? reason.toString() : `closed with code ${code}`;
    isClosed = true;
    wake();
  });

  async function* read(): AsyncGenerator<ServerFrame, void> {
    while (true) {
      const text = queue.shift();
      if (text === undefined) {
        if (isClosed) return;
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
        continue;
      }
      queuedChars -= text.length;
      if (socket.isPaused && queuedChars === 0) {
        heard();
        socket.resume();
      }
      const frame = parseFrame(text);
      if (frame) yield frame;
    }
  }

  return {
    frames: read(),
    get ending() {
      return ending;
    },
    close() {
      socket.close(1000);
      // A daemon that does not answer the goodbye must not keep this process.
      setTimeout(() => socket.terminate(), 1000).unref();
      socket.resume();
    },
  };
}

/** A newer daemon may send frames that we do not know: they are passed over. */
function parseFrame(text: string): ServerFrame | undefined {
  try {
    return ServerFrame.safeParse(JSON.parse(text)).data;
  } catch {
    return undefined;
  }
}

function textOf(data: RawData): string {
  if (Array.isArray(data)) return Buffer.concat(data).toString("utf8");
  return data instanceof ArrayBuffer ? Buffer.from(data).toString("utf8") : data.toString("utf8");
}

async function readAnswer(response: IncomingMessage): Promise<string> {
  let text = "";
  response.setEncoding("utf8");
  for await (const chunk of response) {
    text += String(chunk);
    if (text.length > answerCharsMax) break;
  }
  return text;
}
