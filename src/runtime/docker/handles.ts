/** A session's container → what the supervisor has of its sidecar. */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { SidecarAddress, SidecarHandle } from "../runtime.ts";
import type { Engine } from "./engine.ts";
import { withoutFrames } from "./log-follower.ts";
import type { Premises } from "./premises.ts";
import type { Sweeper } from "./sweeper.ts";
import type { EngineWatch } from "./watch.ts";

const logTailLines = 200;

interface With {
  engine: Engine;
  watch: EngineWatch;
  premises: Premises;
  sweeper: Sweeper;
}

export function handleOf(
  { engine, watch, premises, sweeper }: With,
  { address, containerId }: { address: SidecarAddress; containerId: string },
): SidecarHandle {
  const { session_id, session_dir } = address;
  return {
    address,
    gone: watch.gone(containerId).then(async (end) => {
      await keepLog(engine, { session_dir, containerId });
      await sweeper.retrieve(session_id);
      return end;
    }),
    connect: () => premises.connect(address, containerId),
    destroy: async () => {
      await keepLog(engine, { session_dir, containerId });
      await sweeper.remove(containerId, session_id);
      await sweeper.retrieve(session_id);
    },
  };
}

/** What the sidecar said on stderr, for people: the container will be removed. */
async function keepLog(
  engine: Engine,
  { session_dir, containerId }: { session_dir: string; containerId: string },
): Promise<void> {
  try {
    const bytes = await engine
      .getContainer(containerId)
      .logs({ follow: false, stdout: false, stderr: true, tail: logTailLines });
    const text = withoutFrames(bytes);
    if (text.length > 0) await writeFile(join(session_dir, "sidecar.log"), text, { mode: 0o600 });
  } catch {
    // It is gone already, and what it said with it.
  }
}
