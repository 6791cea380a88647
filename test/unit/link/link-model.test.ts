import { readFileSync, statSync, truncateSync } from "node:fs";
import * as fc from "fast-check";
import { expect, test } from "vitest";
import { drainSpool } from "../../../src/process/spool-reader.ts";
import type { Session } from "../../../src/session/session.ts";
import type { Attendance } from "../../../src/supervisor/attendance.ts";
import { eventually } from "../../support/eventually.ts";
import { tempDir } from "../../support/temp-dir.ts";
import { type Made, makeSession, noted } from "../session/make-session.ts";
import { attendanceOf, handleOf } from "./attended.ts";
import { type End, type FullDisks, fullDisks } from "./full-disk.ts";
import { type PuppetSidecar, startPuppetSidecar } from "./puppet-sidecar.ts";
import { keepFilesWaiting, lastSidecarSeq } from "./slow-files.ts";

/** What may happen on both sides of a link and to it. Nobody here acknowledges anything: that is the daemon's own affair. */
type Step =
  | { do: "print"; sizes: number[] }
  | { do: "own" }
  | { do: "wait"; ms: number }
  /** Until something came, if it can. */
  | { do: "arrive" }
  | { do: "drop" }
  /** As soon as something was stored: its acknowledgement is owed. */
  | { do: "drop when stored" }
  /** The next acknowledgement goes with the connection. */
  | { do: "lose ack" }
  | { do: "hold" }
  | { do: "release" }
  | { do: "daemon dies"; torn: number }
  /** For a while every write to a file waits. */
  | { do: "slow disk" }
  /** Some of what comes still fits. */
  | { do: "full disk"; end: End; bytesLeft: number }
  | { do: "room"; end: End }
  | { do: "catch up" };

const ends = fc.constantFrom<End>("daemon", "sidecar");
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
  { weight: 4, arbitrary: fc.record({ do: fc.constant("wait" as const), ms: fc.nat(25) }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant("arrive" as const) }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constantFrom("drop", "drop when stored", "lose ack") }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constantFrom("hold", "release") }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("daemon dies" as const), torn: fc.nat(1000) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("slow disk" as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("full disk" as const), end: ends, bytesLeft: fc.nat(5000) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("room" as const), end: ends }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("catch up" as const) }) },
);

/** What the ring in memory holds whole, and what only files hold. The small spool stops its sidecar until it hears of the log. */
const scales = fc.constantFrom(
  { bytes: 1, limits: { spoolBytesMax: 5_000, segmentBytesMax: 2_000 } },
  { bytes: 100, limits: { spoolBytesMax: 4_000_000, segmentBytesMax: 100_000 } },
);
/** A link that is held, or whose other end waits, brings nothing. */
const arriveMs = 120;
/** Longer than any wait of the product's own, on a machine that has other things to do. */
const quietMs = 15_000;
/** On a slow machine there are fewer runs; none is left in its midst. */
const runsMs = 30_000;

const endings = fc.constantFrom("exit", "exit unheard", "sidecar dies", "both die");

class Model {
  readonly printed: string[] = [];
  readonly own: string[] = [];
  /** What may never be seen, as it was seen. */
  readonly faults: unknown[] = [];
  readonly sidecar: PuppetSidecar;
  readonly #made: Made;
  readonly #dir: string;
  readonly #disks: FullDisks;
  readonly #bytes: number;
  #dropsWhenStored = false;
  #daemon: { session: Session; attendance: Attendance } | undefined;

  /** `bytes`: what a size in a step stands for. */
  constructor(options: { made: Made; sidecar: PuppetSidecar; dir: string; disks: FullDisks; bytes: number }) {
    this.#made = options.made;
    this.sidecar = options.sidecar;
    this.#dir = options.dir;
    this.#disks = options.disks;
    this.#bytes = options.bytes;
    this.sidecar.onAck = (seq) => this.#expectInFile(seq, "acknowledged");
  }

  async take(step: Step): Promise<void> {
    switch (step.do) {
      case "print": {
        const texts = step.sizes.map((size, i) => `${this.printed.length + i + 1}:${"x".repeat(size * this.#bytes)}`);
        this.printed.push(...texts);
        return this.sidecar.print(texts);
      }
      case "own":
        return this.#appendOwn();
      case "wait":
        // What passes here is time itself, in which sockets, files and acknowledgements overtake each other.
        return void (await new Promise((resolve) => setTimeout(resolve, step.ms)));
      case "arrive":
        return this.#arrive();
      case "drop":
        return this.sidecar.drop();
      case "drop when stored":
        this.#dropsWhenStored = true;
        return;
      case "lose ack":
        return this.sidecar.loseAck();
      case "hold":
        return this.sidecar.hold();
      case "release":
        return this.sidecar.release();
      case "daemon dies":
        await this.dieDaemon(step.torn);
        return this.comeBack();
      case "slow disk":
        return keepFilesWaiting();
      case "full disk":
        return this.#disks.fill(step.end, step.bytesLeft);
      case "room":
        return this.#disks.free(step.end);
      case "catch up":
        return this.catchUp();
      default:
        step satisfies never;
    }
  }

  get #session(): Session {
    if (!this.#daemon) throw new Error("there is no daemon now");
    return this.#daemon.session;
  }

  /** Waits for the file: with a full disk that would be for ever. */
  async #appendOwn(): Promise<void> {
    if (this.#disks.isFull("daemon")) return;
    const text = `own ${this.own.length}`;
    await this.#session.appendOwn([noted(text)]);
    this.own.push(text);
  }

  async #arrive(): Promise<void> {
    const before = this.#session.storedSeq;
    // Nothing comes over a link that is held or lost: then it goes on without.
    await eventually(() => this.#session.storedSeq !== before, { deadlineMs: arriveMs, everyMs: 2 }).catch(
      () => undefined,
    );
  }

  /** What it was told as stored is in the file; of what was on its way there may be any part, down to half a line. */
  async dieDaemon(torn: number): Promise<void> {
    const { end } = this.#session;
    // What waits in its memory has to go somewhere before it is cut off.
    this.#disks.free("daemon");
    await this.#daemon?.attendance.release();
    this.#daemon = undefined;
    const { size } = statSync(this.#made.home.log);
    truncateSync(this.#made.home.log, end + Math.floor(((size - end) * torn) / 1000));
  }

  async comeBack(): Promise<void> {
    const onFault = (error: unknown) => this.faults.push(error);
    let attendance: Attendance | undefined;
    const session = await this.#made.observedBy((observed) => {
      const made = attendanceOf(observed, onFault);
      const told = made.onStored.bind(made);
      made.onStored = (seq) => {
        this.#expectInFile(seq, "told as stored");
        told(seq);
        if (this.#dropsWhenStored) this.sidecar.drop();
        this.#dropsWhenStored = false;
      };
      attendance = made;
      return made;
    });
    if (!attendance) throw new Error("nobody attends to the session");
    this.#daemon = { session, attendance };
    attendance.attend(handleOf(this.sidecar, this.#dir, onFault), { isAdopted: true });
  }

  /** Whatever dies now, it is there. */
  #expectInFile(seq: number, what: string): void {
    const inFile = lastSidecarSeq(this.#made.home.log);
    if (seq > inFile) this.faults.push(new Error(`${seq} was ${what}, the file holds ${inFile}`));
  }

  /** Nothing is in anyone's way any more: all that was printed comes into the file, and the sidecar hears of it. */
  async catchUp(): Promise<void> {
    for (const end of ["daemon", "sidecar"] as const) this.#disks.free(end);
    this.sidecar.release();
    await eventually(
      () => {
        const { seq, ackedSeq } = this.sidecar;
        return seq >= this.printed.length && ackedSeq === seq && this.#session.storedSeq === seq;
      },
      { everyMs: 3, deadlineMs: quietMs, what: "a spool in which nothing waits" },
    );
    await eventually(() => !this.#session.isPaused, { everyMs: 3, what: "a session that does not wait for room" });
  }

  /** Answers how much of what has a count cannot be lost: what found no room is in the dead sidecar's memory only. */
  async loseSidecar({ isDaemonLost }: { isDaemonLost: boolean }): Promise<number> {
    const { seq, isStorageFull } = this.sidecar;
    const least = isStorageFull ? this.#session.storedSeq : seq;
    await this.sidecar.die();
    await this.dieDaemon(isDaemonLost ? 500 : 1000);
    const { session } = await this.#made.again();
    const take = async (batch: Buffer) => session.appendBatch(batch);
    await drainSpool(this.#dir, { afterSeq: session.sidecarSeq, take });
    await session.stored();
    return least;
  }

  /** `unheard`: the connection breaks in the moment in which the log is whole. */
  async exit(isUnheard: boolean): Promise<void> {
    await this.catchUp();
    this.#dropsWhenStored = isUnheard;
    await this.sidecar.end();
    let isOver = false;
    void this.#daemon?.attendance.over.then(() => (isOver = true));
    await eventually(() => isOver, { everyMs: 3, deadlineMs: quietMs, what: "the end of the session" });
    expect(this.sidecar.ackedSeq).toBe(this.sidecar.seq);
  }

  async close(): Promise<void> {
    this.#disks.remove();
    await this.#daemon?.attendance.release();
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
  const until = performance.now() + runsMs;
  await fc.assert(
    fc.asyncProperty(
      fc.array(steps, { minLength: 5, maxLength: 50, size: "max" }),
      scales,
      endings,
      async (taken, scale, ending) => {
        if (performance.now() > until) return;
        const made = await makeSession();
        await made.session.seal();
        const dir = await tempDir();
        const sidecar = await startPuppetSidecar(dir.path, scale.limits);
        const model = new Model({ made, sidecar, dir: dir.path, disks: await fullDisks(), bytes: scale.bytes });
        try {
          await model.comeBack();
          for (const step of taken) await model.take(step);
          const isWhole = ending === "exit" || ending === "exit unheard";
          let least = sidecar.seq;
          if (isWhole) await model.exit(ending === "exit unheard");
          else least = await model.loseSidecar({ isDaemonLost: ending === "both die" });
          expect(model.faults).toEqual([]);
          check(linesOf(made.home.log), { model, isWhole, least });
        } finally {
          await model.close();
          await sidecar.close();
          await made.remove();
          await dir.remove();
        }
      },
    ),
    { numRuns: 60 },
  );
}, 90_000);

/** A dead sidecar's agent may have printed less than it was to; what had a count and was kept is there. */
function check(lines: readonly Line[], found: { model: Model; isWhole: boolean; least: number }): void {
  const { model, isWhole, least } = found;
  expect(lines.map((line) => line.seq)).toEqual(lines.map((_, i) => i + 1));
  const printed = lines.filter(({ type }) => type === "stdout");
  const texts = printed.map(({ data }) => data.text);
  expect(printed.map(({ sidecar_seq }) => sidecar_seq)).toEqual(printed.map((_, i) => i + 1));
  expect(texts).toEqual(model.printed.slice(0, isWhole ? model.printed.length : texts.length));
  expect(texts.length).toBeGreaterThanOrEqual(isWhole ? model.printed.length : least);
  expect(lines.filter(({ type }) => type === "system").map(({ data }) => data.text)).toEqual(model.own);
  if (isWhole) expect(lines.at(-1)?.type).toBe("exit");
}
