/**
 * The socket to one sidecar. Batches of lines in, commands out; after a break it goes on from the last line that
 * is known. It never looks inside a batch.
 */
import { randomBytes, randomUUID } from "node:crypto";
import { Agent, type IncomingHttpHeaders } from "node:http";
import { type Duplex, PassThrough } from "node:stream";
import WebSocket from "ws";
import type { Command } from "../protocol/command.ts";
import { AgentdError, messageOf } from "../protocol/error.ts";
import { linkProtocol, SidecarFrame, type SidecarStatus } from "../protocol/link-frame.ts";
import {
  challengeHeader,
  isChallenge,
  isProof,
  linkProof,
  type ProofMessage,
  proofHeader,
} from "../protocol/link-proof.ts";

export interface LinkOptions {
  /** A connection to the sidecar's server. Rejects with `runtime_unavailable` when its place cannot be asked for one now. */
  connect(): Promise<Duplex>;
  token: string;
  /** The count after which the sidecar's lines are wanted; asked anew at each connect. */
  after(): number;
  /** A batch of whole lines. Throwing makes the link connect anew. */
  onBatch(batch: Buffer): void;
  /** First on each connection. Lines up to `newest` are still to come before the status is what the log says. */
  onHello(hello: { newest: number; lastTurn: number; status: SidecarStatus; isStorageFull: boolean }): void;
  onStatus(status: SidecarStatus): void;
  onStorage(storage: { paused: boolean; message: string }): void;
  /** The link is down and cannot be made again. Called once, never after `close`. */
  onLost(reason: string): void;
}

const handshakeMs = 10_000;
const replyMs = 30_000;
const frameBytesMax = 64 * 1024 * 1024;
/** Commands that wait for an answer, and what they hold: a sidecar that stands still must not fill the daemon. */
const waitersMax = 1000;
const waiterBytesMax = 64 * 1024 * 1024;
/** Between attempts to connect; when these are used up the sidecar counts as lost. */
const backoffMs = [20, 50, 100, 200, 500, 1000, 2000, 2000, 2000];

/** While the sidecar's place itself cannot be reached, nothing is known of the sidecar: it is tried for as long as that takes. */
const awayMs = 2000;

const goodConnectionMs = 5000;
/** The sidecar is told what the log holds when this time has passed, or so much has come since it was last told. */
const ackEveryMs = 250;
const ackEveryBytes = 256 * 1024;

/** How a command was taken. */
export interface CommandReply {
  /** The turn that a prompt or steer belongs to. */
  turnId: string | undefined;
  /** What came of it at once is among the lines up to here; a sidecar of an earlier version does not say. */
  sidecarSeq: number | undefined;
}

/** The sidecar was sent a command and has not answered: it may have carried it out. */
export class Unanswered extends Error {}

interface Waiter {
  /** Sent again on a new connection: the sidecar knows the ids it has answered. */
  text: string;
  resolve(reply: CommandReply): void;
  reject(error: Error): void;
  timer: NodeJS.Timeout;
  wasSent: boolean;
}

export class Link {
  readonly #options: LinkOptions;
  #socket: WebSocket | undefined;
  #attempt = 0;
  /** Why nothing can be asked any more. */
  #closedFor: string | undefined;
  #isHeld = false;
  /** Makes our command ids different from those of any other link to this sidecar. */
  readonly #epoch = randomUUID();
  #commandId = 0;
  #waiters = new Map<string, Waiter>();
  /** Somebody else has answered; whatever else went wrong, people must hear of that. */
  #impostor: string | undefined;
  #ackedSeq = 0;
  #ackTimer: NodeJS.Timeout | undefined;
  /** Came since the last acknowledgement. */
  #owedBytes = 0;
  /** The sidecar has said hello on this connection. */
  #isReady = false;
  #readySince = Number.POSITIVE_INFINITY;
  #heardAt = performance.now();

  constructor(options: LinkOptions) {
    this.#options = options;
    this.#connect();
  }

  /**
   * Sends a command; resolves when the sidecar has taken it. Rejects with the sidecar's reason when it could not (`invalid_request` when
   * it was asked for what cannot be), and at once when the link is closed or lost.
   */
  request(command: Command): Promise<CommandReply> {
    if (this.#closedFor !== undefined) return Promise.reject(new Error(this.#closedFor));
    const id = `${this.#epoch}-${++this.#commandId}`;
    const text = JSON.stringify({ ...command, id });
    let waitingBytes = text.length;
    for (const waiter of this.#waiters.values()) waitingBytes += waiter.text.length;
    if (this.#waiters.size >= waitersMax || waitingBytes > waiterBytesMax)
      return Promise.reject(
        new Error(`${this.#waiters.size} commands wait for the sidecar's answer already; try again in a moment`),
      );
    return new Promise((resolve, reject) => {
      // A sidecar that does not answer is asked again on a new connection, and lost when there is none.
      const timer = setInterval(() => this.#socket?.terminate(), replyMs);
      const waiter: Waiter = { text, resolve, reject, timer, wasSent: false };
      this.#waiters.set(id, waiter);
      if (this.#isReady) this.#send(waiter);
    });
  }

  /**
   * The log holds the sidecar's lines up to this count. Told later, with what came meanwhile: each word wakes the sidecar,
   * and by the event that would cost nearly as much as the event itself. `now` for the last one.
   */
  acknowledge(sidecarSeq: number, options: { now: boolean }): void {
    this.#ackedSeq = sidecarSeq;
    if (options.now || this.#owedBytes >= ackEveryBytes) this.#tellAck();
    else this.#ackTimer ??= setTimeout(() => this.#tellAck(), ackEveryMs);
  }

  #tellAck(): void {
    clearTimeout(this.#ackTimer);
    this.#ackTimer = undefined;
    this.#owedBytes = 0;
    this.tell({ type: "ack", data: { sidecar_seq: this.#ackedSeq } });
  }

  /** Sends a command that needs no answer. Lost with the link; the next ack covers it. */
  tell(command: Command): void {
    if (this.#isReady && this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify(command));
  }

  /** Stops reading until `release`: the sidecar keeps what it has. */
  hold(): void {
    this.#isHeld = true;
    this.#socket?.pause();
  }

  /** How long the sidecar has said nothing, of which one that lives gives a sign every 10 s; while it is held, nothing. */
  get silentMs(): number {
    return this.#isHeld ? 0 : performance.now() - this.#heardAt;
  }

  release(): void {
    if (this.#isHeld) this.#heardAt = performance.now();
    this.#isHeld = false;
    this.#socket?.resume();
  }

  close(): void {
    this.#end("the session has ended");
    this.#socket?.terminate();
  }

  #connect(): void {
    const { connect, token } = this.#options;
    const challenge = randomBytes(32).toString("base64url");
    const socket = new WebSocket(`ws://sidecar/ws?after=${this.#options.after()}`, {
      agent: new Door(connect),
      headers: { [challengeHeader]: challenge },
      perMessageDeflate: false,
      handshakeTimeout: handshakeMs,
      maxPayload: frameBytesMax,
      skipUTF8Validation: true,
    });
    this.#socket = socket;
    let cause = "it closed the connection";
    let isAway = false;
    let proof: string | undefined;
    socket.on("upgrade", ({ headers }) => {
      proof = proofForSidecar(headers, { token, challenge });
    });
    socket.on("open", () => {
      if (proof !== undefined) {
        socket.send(JSON.stringify({ type: "proof", data: { proof } } satisfies ProofMessage));
        return;
      }
      cause = "what listens on its socket does not know the session's token, so it is not its sidecar";
      this.#impostor = cause;
      socket.terminate();
    });
    socket.on("message", (data, isBinary) => {
      // What it had sent already comes all the same.
      if (proof === undefined) return;
      this.#heardAt = performance.now();
      try {
        if (isBinary && Buffer.isBuffer(data)) {
          this.#owedBytes += data.length;
          this.#options.onBatch(data);
          this.#attempt = 0;
        } else this.#takeFrame(String(data));
      } catch (error) {
        cause = messageOf(error);
        socket.terminate();
      }
    });
    socket.on("error", (error) => {
      cause = messageOf(error);
      isAway = error instanceof AgentdError && error.code === "runtime_unavailable";
    });
    socket.on("close", () => this.#reconnect(cause, { isAway }));
  }

  #takeFrame(text: string): void {
    const frame = SidecarFrame.parse(JSON.parse(text));
    switch (frame.type) {
      case "hello":
        if (frame.data.protocol !== linkProtocol) {
          throw new Error(`it speaks link protocol ${frame.data.protocol}, this daemon ${linkProtocol}`);
        }
        this.#readySince = performance.now();
        if (this.#isHeld) this.#socket?.pause();
        this.#isReady = true;
        // In the order they were asked; a Map keeps it.
        for (const waiter of this.#waiters.values()) this.#send(waiter);
        this.#options.onHello({
          newest: frame.data.sidecar_seq,
          lastTurn: frame.data.last_turn,
          status: frame.data.status,
          isStorageFull: frame.data.is_storage_full ?? false,
        });
        return;
      case "status":
        this.#options.onStatus(frame.data);
        return;
      case "reply":
        this.#settle(frame.data);
        return;
      case "storage":
        this.#options.onStorage(frame.data);
        return;
      case "heartbeat":
        return;
      default:
        frame satisfies never;
    }
  }

  #send(waiter: Waiter): void {
    waiter.wasSent = true;
    this.#socket?.send(waiter.text);
  }

  #settle(reply: Extract<SidecarFrame, { type: "reply" }>["data"]): void {
    const waiter = this.#waiters.get(reply.id);
    if (!waiter) return;
    this.#waiters.delete(reply.id);
    clearInterval(waiter.timer);
    if (reply.ok) waiter.resolve({ turnId: reply.turn_id, sidecarSeq: reply.sidecar_seq });
    else waiter.reject(refusalOf(reply.error ?? "the sidecar refused it", reply.code));
  }

  #reconnect(cause: string, { isAway }: { isAway: boolean }): void {
    this.#isReady = false;
    // A connection that held was a good one; one that breaks at its first batch must not be made for ever.
    if (performance.now() - this.#readySince > goodConnectionMs) this.#attempt = 0;
    this.#readySince = Number.POSITIVE_INFINITY;
    if (this.#closedFor !== undefined) return;
    const delayMs = isAway ? awayMs : backoffMs[this.#attempt++];
    if (delayMs === undefined) {
      this.#end("the sidecar is gone");
      this.#options.onLost(this.#impostor ?? cause);
      return;
    }
    setTimeout(() => {
      if (this.#closedFor === undefined) this.#connect();
    }, delayMs);
  }

  #end(reason: string): void {
    this.#closedFor ??= reason;
    clearTimeout(this.#ackTimer);
    for (const waiter of this.#waiters.values()) {
      clearInterval(waiter.timer);
      waiter.reject(waiter.wasSent ? new Unanswered(reason) : new Error(reason));
    }
    this.#waiters.clear();
  }
}

function refusalOf(message: string, code: "invalid_request" | undefined): Error {
  return code === undefined ? new Error(message) : new AgentdError(code, message);
}

/** Undefined when the other side has not proved that it is the sidecar: then nothing is said to it, nor believed. */
function proofForSidecar(
  headers: IncomingHttpHeaders,
  { token, challenge }: { token: string; challenge: string },
): string | undefined {
  const theirs = headers[challengeHeader];
  if (!isChallenge(theirs)) return undefined;
  const challenges = { daemon: challenge, sidecar: theirs };
  const isSidecar = isProof(headers[proofHeader], linkProof(token, "sidecar", challenges));
  return isSidecar ? linkProof(token, "daemon", challenges) : undefined;
}

/** The way in which Node's client takes a connection that is made for it, and later. */
class Door extends Agent {
  readonly #connect: () => Promise<Duplex>;

  constructor(connect: () => Promise<Duplex>) {
    super();
    this.#connect = connect;
  }

  override createConnection(_options: object, done?: (error: Error | null, stream: Duplex) => void): undefined {
    this.#connect().then(
      (stream) => done?.(null, stream),
      // Node looks at the error first, and then at nothing else.
      (error: unknown) => done?.(error instanceof Error ? error : new Error(String(error)), new PassThrough()),
    );
  }
}
