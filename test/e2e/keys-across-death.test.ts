/** Requests with an Idempotency-Key over which a daemon dies or leaves, sent again to the next one. */
import { readdirSync, readFileSync, renameSync } from "node:fs";
import { connect, createServer, type Server, type Socket } from "node:net";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { type CountsDaemon, startCountsDaemon } from "../support/counts-daemon.ts";
import { eventually } from "../support/eventually.ts";

let counts: CountsDaemon;
let door: HeldDoor | undefined;
afterEach(async () => {
  await counts.stop();
  door?.close();
  door = undefined;
});

const key = (text: string) => ({ headers: { "idempotency-key": text } });
const keep = ["--on-shutdown", "keep"];

/** A session in the midst of a long turn. */
async function busySession(): Promise<string> {
  const id = await counts.create({ prompt: "words=2000 pause=50" });
  await counts.until(id, (events) => events.some(({ type }) => type === "agent_message"));
  return id;
}

interface HeldDoor {
  /** Nothing more comes out of the sidecar until `open`. */
  hold(): void;
  open(): void;
  close(): void;
}

/** A door before the socket of the only sidecar, for the next daemon. */
async function doorBefore(): Promise<HeldDoor> {
  const run = join(counts.daemon.dataDir, "run");
  const [folder = ""] = readdirSync(run);
  const [inner, outer] = [join(run, folder, "r"), join(run, folder, "s")];
  renameSync(outer, inner);
  let isHeld = false;
  const sockets = new Set<Socket>();
  const server: Server = createServer((caller) => {
    const sidecar = connect(inner);
    caller.pipe(sidecar);
    sidecar.on("data", (chunk) => isHeld || caller.write(chunk));
    for (const [one, other] of [
      [caller, sidecar],
      [sidecar, caller],
    ] as const) {
      sockets.add(one);
      one.on("error", () => {});
      one.on("close", () => {
        sockets.delete(one);
        other.end();
      });
    }
  });
  await new Promise<void>((resolve) => server.listen(outer, resolve));
  return {
    hold: () => {
      isHeld = true;
    },
    open: () => {
      isHeld = false;
    },
    close: () => {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}

/** How often the agent itself was given this. */
function timesGiven(id: string, text: string): number {
  const journal = readFileSync(join(counts.journalDir, `${id}.ndjson`), "utf8");
  return journal.split("\n").filter((line) => line !== "" && JSON.parse(line).got === text).length;
}

describe("a steer with a key", () => {
  it("that a leaving daemon cannot answer for is found by the next one, and the agent has it once", async () => {
    counts = await startCountsDaemon();
    const id = await busySession();
    await counts.daemon.kill9();
    door = await doorBefore();
    await counts.restart(keep);
    const seen = counts.events(id).length;
    await counts.until(id, (events) => events.length > seen);
    const steer = () => counts.daemon.post(`/sessions/${id}/steer`, { text: "turn left" }, key("s"));
    door.hold();
    const first = steer().catch(() => undefined);
    await eventually(() => timesGiven(id, "turn left") === 1);
    await counts.daemon.leave();
    expect((await first)?.status).not.toBe(202);
    door.open();
    await counts.restart();
    expect(await steer()).toMatchObject({ status: 202, body: { turn_id: "t1" } });
    expect(timesGiven(id, "turn left")).toBe(1);
    await counts.daemon.delete(`/sessions/${id}`);
  });
});
