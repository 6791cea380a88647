/** A sidecar within the test's process: everything of a real one but the process and the agent, which is a puppet. */
import { connect, createServer, type Socket } from "node:net";
import { join } from "node:path";
import { AgentRun } from "../../../sidecar/agent-run.ts";
import { EventLog } from "../../../sidecar/event-log.ts";
import type { AgentEnd, Harness, HarnessHost } from "../../../sidecar/harness.ts";
import { SidecarServer } from "../../../sidecar/server.ts";
import { Spool } from "../../../sidecar/spool.ts";
import type { SidecarEnd } from "../../../src/runtime/runtime.ts";
import { bootstrapFor } from "../../support/sidecar.ts";

export interface PuppetSidecar {
  readonly socketPath: string;
  readonly token: string;
  /** Count of the newest line. */
  readonly seq: number;
  readonly ackedSeq: number;
  /** What it has is not all in its files: there is no room. */
  readonly isStorageFull: boolean;
  /** Resolves when its agent has ended and all is acknowledged: then a sidecar leaves. */
  readonly gone: Promise<SidecarEnd>;
  /** Called with each count that is acknowledged, as it comes. */
  onAck: (seq: number) => void;
  /** Breaks every connection in an instant, whatever is on its way. */
  drop(): void;
  /** The next acknowledgement is on its way as the connection breaks. */
  loseAck(): void;
  /** What it says stands still on its way, until `release`. */
  hold(): void;
  release(): void;
  /** Prints these lines, one batch; as an agent, it waits for room before it prints the next. */
  print(texts: readonly string[]): void;
  /** Says that its disk is full, or has room again. */
  tellStorage(storage: { paused: boolean }): void;
  /** The agent ends once all is printed; `exit` follows. */
  end(): Promise<void>;
  /** Its process is gone in an instant: sockets break, and nothing is said. */
  die(): Promise<void>;
  close(): Promise<void>;
}

export async function startPuppetSidecar(dir: string, limits: { spoolBytesMax: number; segmentBytesMax: number }) {
  const spool = new Spool({
    sessionDir: dir,
    ...limits,
    onStorage: (data) => server.tell({ type: "storage", data }),
    onFailed: (error) => {
      throw error;
    },
  });
  const log = new EventLog({ now: Date.now, spool });
  let host: HarnessHost | undefined;
  let resolveEnded: (end: AgentEnd) => void = () => undefined;
  const ended = new Promise<AgentEnd>((resolve) => {
    resolveEnded = resolve;
  });
  const bootstrap = bootstrapFor(dir, ["puppet"]);
  const run = new AgentRun({
    bootstrap,
    log,
    now: Date.now,
    onStatus: (data) => server.tell({ type: "status", data }),
    createHarness: (_bootstrap, given) => {
      host = given;
      return puppetHarness(ended);
    },
  });
  const server: SidecarServer = new SidecarServer({
    access: { token: bootstrap.token, isOnPort: false },
    sessionId: bootstrap.session_id,
    agentType: "puppet",
    run,
    log,
    spool,
    now: Date.now,
    onActivity: () => undefined,
  });
  const innerPath = join(dir, "inner.sock");
  await server.listen({ path: innerPath });
  const socketPath = join(dir, "sidecar.sock");
  const wire = await openWire(socketPath, innerPath);
  let printing: Promise<void> = Promise.resolve();
  let isDead = false;
  let losesAck = false;
  let hasEnded = false;
  let resolveGone: (end: SidecarEnd) => void = () => undefined;
  const gone = new Promise<SidecarEnd>((resolve) => {
    resolveGone = resolve;
  });
  const leaveWhenDone = () => {
    if (hasEnded && spool.ackedSeq >= log.seq) resolveGone({ code: 0, signal: null });
  };
  void run.ended.then(() => {
    hasEnded = true;
    leaveWhenDone();
  });
  const acknowledge = spool.ack.bind(spool);
  spool.ack = (seq) => {
    if (losesAck) {
      losesAck = false;
      wire.drop();
      return;
    }
    puppet.onAck(seq);
    acknowledge(seq);
    leaveWhenDone();
  };
  const puppet: PuppetSidecar = {
    onAck: () => undefined,
    socketPath,
    token: bootstrap.token,
    get seq() {
      return log.seq;
    },
    get ackedSeq() {
      return spool.ackedSeq;
    },
    get isStorageFull() {
      return spool.isFull;
    },
    gone,
    print: (texts: readonly string[]) => {
      printing = printing.then(async () => {
        if (isDead) return;
        await host?.emit(texts.map((text) => ({ event: { type: "stdout", data: { text } } })));
      });
    },
    tellStorage: ({ paused }) => server.tell({ type: "storage", data: { paused, message: "of a test" } }),
    end: async () => {
      await printing;
      resolveEnded({ code: 0, stderrTail: "" });
      await run.ended;
    },
    drop: wire.drop,
    loseAck: () => {
      losesAck = true;
    },
    hold: wire.hold,
    release: wire.release,
    die: async () => {
      isDead = true;
      wire.close();
      spool.close();
    },
    close: async () => {
      wire.close();
      await server.close();
      // Its watchdog rests for good once it has ended.
      resolveEnded({ code: 0, stderrTail: "" });
      await new Promise((resolve) => setImmediate(resolve));
      spool.close();
    },
  };
  return puppet;
}

interface Wire {
  drop(): void;
  /** Nothing of what the inner end says gets through, on this connection and on later ones. */
  hold(): void;
  release(): void;
  close(): void;
}

/** What lies between the two: it can break with bytes in it, as a socket does whose other end is killed. */
async function openWire(path: string, to: string): Promise<Wire> {
  /** The inner ends, each with the outer one that it speaks to. */
  const pairs = new Map<Socket, Socket>();
  let isHeld = false;
  const server = createServer((outer) => {
    const inner = connect(to);
    pairs.set(inner, outer);
    for (const [end, other] of [
      [outer, inner],
      [inner, outer],
    ] as const) {
      end.on("error", () => undefined);
      end.on("close", () => {
        pairs.delete(inner);
        other.destroy();
      });
    }
    outer.pipe(inner);
    if (!isHeld) inner.pipe(outer);
  });
  await new Promise<void>((resolve) => server.listen(path, resolve));
  const drop = () => {
    for (const [inner, outer] of pairs) {
      inner.destroy();
      outer.destroy();
    }
  };
  return {
    drop,
    hold: () => {
      isHeld = true;
      for (const [inner, outer] of pairs) inner.unpipe(outer);
    },
    release: () => {
      if (!isHeld) return;
      isHeld = false;
      for (const [inner, outer] of pairs) inner.pipe(outer);
    },
    close: () => {
      drop();
      server.close();
    },
  };
}

export function puppetHarness(ended: Promise<AgentEnd>): Harness {
  const nothing = () => undefined;
  return {
    agentSessionId: undefined,
    waiting: { on: "nothing" },
    ended,
    start: async () => undefined,
    prompt: nothing,
    steer: ({ turnId }) => turnId,
    interrupt: nothing,
    context: nothing,
    mention: nothing,
    finish: nothing,
    stop: async () => undefined,
  };
}
