/** A session on a real file, its sidecar's lines, and an observer that writes down what it is told. */
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import type { SessionEvent } from "../../../src/protocol/event.ts";
import { encodeSidecarLine } from "../../../src/protocol/line.ts";
import type { SessionSpec } from "../../../src/protocol/session.ts";
import { type SessionHome, sessionHome } from "../../../src/session/home.ts";
import type { Fsync } from "../../../src/session/log.ts";
import { Session, type SessionObserver } from "../../../src/session/session.ts";
import { type TempDir, tempDir } from "../../support/temp-dir.ts";

const spec: SessionSpec = {
  session_id: "11111111-2222-4333-8444-555555555555",
  tags: {},
  agent: "fake",
  runtime: "local",
  interactive: true,
  work_dir: "/nowhere",
  work_dir_is_scratch: false,
  agent_home: "user",
  home_of: "11111111-2222-4333-8444-555555555555",
  permission_mode: "autonomous",
  trust_workspace: false,
  keep_raw: false,
  created_at: 0,
};

export class Witness implements SessionObserver {
  readonly events: SessionEvent[] = [];
  readonly stored: number[] = [];
  readonly full: boolean[] = [];
  readonly failures: Error[] = [];
  beforeExit: () => void = () => undefined;

  onEvent(event: SessionEvent): void {
    this.events.push(event);
  }
  onBeforeExit(): void {
    this.beforeExit();
  }
  onStored(sidecarSeq: number): void {
    this.stored.push(sidecarSeq);
  }
  onFull(isFull: boolean): void {
    this.full.push(isFull);
  }
  onLogFailed(error: Error): void {
    this.failures.push(error);
  }
}

export interface Made {
  session: Session;
  witness: Witness;
  home: SessionHome;
  /** Seals the session if it is open, and removes its folder. */
  remove(): Promise<void>;
  /** The same session as a later daemon finds it. */
  again(): Promise<{ session: Session; witness: Witness }>;
  /** The same, for an observer of another kind. */
  observedBy(observerOf: (session: Session) => SessionObserver): Promise<Session>;
}

export async function makeSession(options: { ringBytesMax?: number; fsync?: Fsync } = {}): Promise<Made> {
  const dir: TempDir = await tempDir();
  const home = sessionHome(join(dir.path, "data"), spec.session_id);
  await mkdir(home.dir, { recursive: true });
  const open: Session[] = [];
  const observedBy = async (observerOf: (session: Session) => SessionObserver) => {
    const { ringBytesMax = 1024 * 1024, fsync = "never" } = options;
    const session = new Session({ spec, home, ringBytesMax, fsync });
    await session.open(observerOf(session));
    open.push(session);
    return session;
  };
  const again = async () => {
    const witness = new Witness();
    return { session: await observedBy(() => witness), witness };
  };
  return {
    ...(await again()),
    home,
    again,
    observedBy,
    remove: async () => {
      for (const session of open) await session.seal();
      await dir.remove();
    },
  };
}

/** Lines `first`, `first + 1`… of a sidecar, one for each event. */
export function sidecarBatch(first: number, events: readonly SessionEvent[]): Buffer {
  return Buffer.from(
    events.map((event, i) => encodeSidecarLine(event, { timestamp: 1, sidecarSeq: first + i })).join(""),
  );
}

export function said(text: string): SessionEvent {
  return { type: "stdout", data: { text } };
}

export function noted(text: string): SessionEvent {
  return { type: "system", data: { subtype: "note", text } };
}

export function exited(code = 0): SessionEvent {
  return { type: "exit", data: { code } };
}
