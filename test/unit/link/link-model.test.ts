import { readFileSync, statSync, truncateSync } from "node:fs";
import * as fc from "fast-check";
import { expect, test } from "vitest";
import { readSpool } from "../../../src/process/spool-reader.ts";
import { connectToSocket } from "../../../src/runtime/socket-door.ts";
import type { Session, SessionObserver } from "../../../src/session/session.ts";
import { Link } from "../../../src/supervisor/link.ts";
import { eventually } from "../../support/eventually.ts";
import { tempDir } from "../../support/temp-dir.ts";
import { makeSession, noted } from "../session/make-session.ts";
import { type PuppetSidecar, startPuppetSidecar } from "./puppet-sidecar.ts";
import { keepFilesWaiting, lastSidecarSeq } from "./slow-files.ts";

/** What may happen on both sides of a link and to it. */
type Step =
  | { do: "print"; sizes: number[] }
  | { do: "own" }
  /** Of what is stored, so many thousandths of what is not acknowledged. */
  | { do: "ack"; part: number }
  | { do: "wait"; ms: number }
  /** Until something came, if it can. */
  | { do: "arrive" }
  | { do: "drop" }
  | { do: "hold" }
  | { do: "release" }
  | { do: "pause" }
  | { do: "resume" }
  | { do: "daemon dies"; torn: number }
  /** For a while every write to a file waits. */
  | { do: "slow disk" }
  | { do: "catch up" };

const steps: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      do: fc.constant("print" as const),
      sizes: fc.array(fc.oneof({ weight: 6, arbitrary: fc.nat(80) }, { weight: 1, arbitrary: fc.nat(5000) }), {
        minLength: 1,
        maxLength: 30,
        size: "max",
      }),
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("own" as const) }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant("ack" as const), part: fc.nat(1000) }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant("wait" as const), ms: fc.nat(25) }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant("arrive" as const) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("drop" as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constantFrom("hold" as const, "release" as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constantFrom("pause" as const, "resume" as const) }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant("daemon dies" as const), torn: fc.nat(1000) }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant("slow disk" as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("catch up" as const) }) },
);

/** What the ring in memory holds whole, and what only files hold. */
const scales = fc.constantFrom(
  { bytes: 1, limits: { spoolBytesMax: 20_000, segmentBytesMax: 2_000 } },
  { bytes: 100, limits: { spoolBytesMax: 4_000_000, segmentBytesMax: 100_000 } },
);
/** A link that is held, or whose other end waits, brings nothing. */
const arriveMs = 120;

const endings = fc.constantFrom("exit", "sidecar dies", "both die");

/** A daemon as far as one session's log goes: a session and a link. It acknowledges when it is told to. */
class Daemon {
  readonly session: Session;
  readonly link: Link;
  #stored: number;
  #acked: number;

  constructor(session: Session, witness: SessionObserver, sidecar: PuppetSidecar) {
    this.session = session;
    this.#stored = session.sidecarSeq;
    this.#acked = session.sidecarSeq;
    witness.onStored = (seq) => {
      // What is told as stored may be acknowledged: it is in the file, whatever dies now.
      expect(lastSidecarSeq(session.home.log)).toBeGreaterThanOrEqual(seq);
      this.#stored = seq;
    };
    this.link = new Link({
      connect: () => connectToSocket(sidecar.socketPath),
      token: sidecar.token,
      after: () => session.sidecarSeq,
      onBatch: (batch) => session.appendBatch(batch),
      onHello: () => undefined,
      onStatus: () => undefined,
      onStorage: () => undefined,
      onLost: (reason) => {
        throw new Error(`the link was lost: ${reason}`);
      },
    });
  }

  get stored(): number {
    return this.#stored;
  }

  ack(part: number): void {
    this.#acked += Math.floor(((this.#stored - this.#acked) * part) / 1000);
    this.link.tell({ type: "ack", data: { sidecar_seq: this.#acked } });
  }
}

class Model {
  readonly printed: string[] = [];
  readonly own: string[] = [];
  readonly #made: Awaited<ReturnType<typeof makeSession>>;
  readonly sidecar: PuppetSidecar;
  #daemon: Daemon;

  readonly #bytes: number;

  /** `bytes`: what a size in a step stands for. */
  constructor(made: Awaited<ReturnType<typeof makeSession>>, sidecar: PuppetSidecar, bytes: number) {
    this.#made = made;
    this.#bytes = bytes;
    this.sidecar = sidecar;
    this.#daemon = this.#begin(made);
  }

  async take(step: Step): Promise<void> {
    switch (step.do) {
      case "print": {
        const texts = step.sizes.map((size, i) => `${this.printed.length + i + 1}:${"x".repeat(size * this.#bytes)}`);
        this.printed.push(...texts);
        return this.sidecar.print(texts);
      }
      case "own": {
        const text = `own ${this.own.length}`;
        await this.#daemon.session.appendOwn([noted(text)]);
        this.own.push(text);
        return;
      }
      case "ack":
        return this.#daemon.ack(step.part);
      case "wait":
        return void (await new Promise((resolve) => setTimeout(resolve, step.ms)));
      case "arrive":
        return this.#arrive();
      case "drop":
        return this.sidecar.drop();
      case "hold":
        return this.#daemon.link.hold();
      case "release":
        return this.#daemon.link.release();
      case "pause":
        return this.#daemon.link.tell({ type: "pause", data: { reason: "the disk is full" } });
      case "resume":
        return this.#daemon.link.tell({ type: "resume", data: {} });
      case "daemon dies":
        await this.dieDaemon(step.torn);
        return this.comeBack();
      case "slow disk":
        return keepFilesWaiting();
      case "catch up":
        return this.catchUp();
      default:
        step satisfies never;
    }
  }

  async #arrive(): Promise<void> {
    const before = this.#daemon.stored;
    const until = performance.now() + arriveMs;
    while (this.#daemon.stored === before && performance.now() < until)
      await new Promise((resolve) => setTimeout(resolve, 2));
  }

  /** What it was told as stored is in the file; of what was on its way there may be any part, down to half a line. */
  async dieDaemon(torn: number): Promise<void> {
    const { session, link } = this.#daemon;
    const { end } = session;
    link.close();
    await session.seal();
    const { size } = statSync(this.#made.home.log);
    truncateSync(this.#made.home.log, end + Math.floor(((size - end) * torn) / 1000));
  }

  async comeBack(): Promise<void> {
    this.#daemon = this.#begin(await this.#made.again());
  }

  /** All that was printed is in the file and acknowledged. */
  async catchUp(): Promise<void> {
    this.#daemon.link.release();
    this.#daemon.link.tell({ type: "resume", data: {} });
    await eventually(
      () => {
        // Told again and again: a link that is just being made takes no command.
        this.#daemon.link.tell({ type: "resume", data: {} });
        this.#daemon.ack(1000);
        return this.sidecar.ackedSeq >= this.printed.length && this.sidecar.seq >= this.printed.length;
      },
      { everyMs: 3, what: "the acknowledgement of all" },
    );
  }

  /** The sidecar is gone: what is in its spool is taken in. */
  async drain(dir: string): Promise<void> {
    const { session, link } = this.#daemon;
    link.close();
    for await (const batch of readSpool(dir, session.sidecarSeq)) session.appendBatch(batch);
    await session.stored();
  }

  async exit(): Promise<void> {
    await this.catchUp();
    await this.sidecar.end();
    await eventually(
      () => {
        this.#daemon.ack(1000);
        return this.sidecar.ackedSeq === this.sidecar.seq;
      },
      { everyMs: 3, what: "the acknowledgement of the exit" },
    );
  }

  async close(): Promise<void> {
    this.#daemon.link.close();
    await this.#daemon.session.seal();
  }

  #begin({ session, witness }: { session: Session; witness: SessionObserver }): Daemon {
    return new Daemon(session, witness, this.sidecar);
  }
}

interface Line {
  type: string;
  data: { text?: string };
  sidecar_seq: number;
  seq: number;
}

function linesOf(path: string): Line[] {
  const text = readFileSync(path, "utf8");
  expect(text === "" || text.endsWith("\n")).toBe(true);
  return text
    .split("\n")
    .slice(0, -1)
    .map((line) => JSON.parse(line));
}

test("whatever happens on the link and at its ends, the log is what was printed: nothing lost, doubled or moved", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(steps, { minLength: 5, maxLength: 50, size: "max" }),
      scales,
      endings,
      async (taken, scale, ending) => {
        const made = await makeSession();
        const dir = await tempDir();
        const sidecar = await startPuppetSidecar(dir.path, scale.limits);
        const model = new Model(made, sidecar, scale.bytes);
        try {
          for (const step of taken) await model.take(step);
          if (ending === "exit") await model.exit();
          else {
            await sidecar.die();
            if (ending === "both die") {
              await model.dieDaemon(500);
              await model.comeBack();
            }
            await model.drain(dir.path);
          }
          check(linesOf(made.home.log), { model, isWhole: ending === "exit", seq: sidecar.seq });
        } finally {
          await model.close();
          await sidecar.close();
          await made.remove();
          await dir.remove();
        }
      },
    ),
    { numRuns: 60, interruptAfterTimeLimit: 40_000 },
  );
}, 90_000);

/** A dead sidecar's agent may have printed less than it was to; what had a count is there. */
function check(lines: readonly Line[], found: { model: Model; isWhole: boolean; seq: number }): void {
  const { model, isWhole, seq } = found;
  expect(lines.map((line) => line.seq)).toEqual(lines.map((_, i) => i + 1));
  const printed = lines.filter(({ type }) => type === "stdout");
  const texts = printed.map(({ data }) => data.text);
  expect(printed.map(({ sidecar_seq }) => sidecar_seq)).toEqual(printed.map((_, i) => i + 1));
  expect(texts).toEqual(model.printed.slice(0, isWhole ? model.printed.length : seq));
  expect(lines.filter(({ type }) => type === "system").map(({ data }) => data.text)).toEqual(model.own);
  if (isWhole) expect(lines.at(-1)?.type).toBe("exit");
}
