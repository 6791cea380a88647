/** A WebSocket client of the daemon that keeps what it is sent and can be waited for. */
import WebSocket from "ws";
import type { ServerFrame } from "../../src/protocol/frame.ts";
import { eventually } from "./eventually.ts";
import { strictFrame } from "./strict-frame.ts";

/** A log line as a client sees it. */
export interface LoggedEvent {
  type: string;
  data: Record<string, unknown>;
  timestamp: number;
  sidecar_seq: number;
  seq: number;
  exit_code?: number;
}

export class ClientSocket {
  readonly socket: WebSocket;
  /** Every frame, in order. */
  readonly frames: ServerFrame[] = [];
  /** The log bytes that replay and live frames carried. */
  readonly chunks: Buffer[] = [];
  closed: { code: number; reason: string } | undefined;
  /** Where to go on after a reconnect. */
  offset: number | undefined;
  #partial = "";
  readonly #events: LoggedEvent[] = [];

  private constructor(socket: WebSocket) {
    this.socket = socket;
    // Thrown here, a fault of a frame ends the test's run: nobody has to look for it.
    socket.on("message", (data) => this.#take(strictFrame(String(data))));
    socket.on("close", (code, reason) => {
      this.closed = { code, reason: String(reason) };
    });
    // A failed handshake is reported by `open`; later errors end in `close`.
    socket.on("error", () => {});
  }

  /** Resolves when the socket is open; rejects with the HTTP status when the daemon refuses the upgrade. */
  static open(url: string, options: WebSocket.ClientOptions = {}): Promise<ClientSocket> {
    const client = new ClientSocket(new WebSocket(url, { perMessageDeflate: false, ...options }));
    return new Promise((resolve, reject) => {
      client.socket.once("open", () => resolve(client));
      client.socket.once("error", reject);
    });
  }

  /** Whole lines received so far, as values. Right from the first line only when reading began at a line's start. */
  get events(): readonly LoggedEvent[] {
    return this.#events;
  }

  get bytes(): Buffer {
    return Buffer.concat(this.chunks);
  }

  send(frame: unknown): void {
    this.socket.send(typeof frame === "string" ? frame : JSON.stringify(frame));
  }

  /** The first event, old or new, for which `matches` holds. */
  event(matches: (event: LoggedEvent) => boolean, deadlineMs = 20_000): Promise<LoggedEvent> {
    return eventually(() => this.#events.find(matches), { deadlineMs, what: `an event for which ${matches}` });
  }

  /** The first frame of a type. */
  async frame<T extends ServerFrame["type"]>(type: T, deadlineMs = 20_000): Promise<Extract<ServerFrame, { type: T }>> {
    const found = await eventually(() => this.frames.find((frame) => frame.type === type), {
      deadlineMs,
      what: `a frame ${type}`,
    });
    return found as Extract<ServerFrame, { type: T }>;
  }

  ended(deadlineMs = 20_000): Promise<{ code: number; reason: string }> {
    return eventually(() => this.closed, { deadlineMs, what: "the socket's close" });
  }

  async close(): Promise<void> {
    this.socket.close();
    await this.ended(5_000).catch(() => this.socket.terminate());
  }

  #take(frame: ServerFrame): void {
    this.frames.push(frame);
    if (frame.type === "replay") this.#keep(Buffer.from(frame.data, "base64"), frame.offset);
    if (frame.type === "stdout") this.#keep(Buffer.from(frame.data), frame.offset);
  }

  #keep(bytes: Buffer, offset: number): void {
    this.chunks.push(bytes);
    this.offset = offset;
    const lines = (this.#partial + bytes.toString("utf8")).split("\n");
    this.#partial = lines.pop() ?? "";
    for (const line of lines) {
      try {
        this.#events.push(JSON.parse(line) as LoggedEvent);
      } catch {
        // The first frame of a reader that began inside a line.
      }
    }
  }
}
