/** DELETE of a session whose agent has a shell that has a sleep that ignores SIGTERM. */
import { performance } from "node:perf_hooks";
import { startDaemon } from "../../support/start-daemon.ts";
import { percentile } from "../process-figures.ts";
import type { Figure } from "../row.ts";

const times = 5;
const stubborn = `sh -c "trap '' TERM INT; sleep 1000; sleep 1000" & echo up;`;
const agents = {
  /** Ends, as agent CLIs do, when its input does or at SIGTERM. */
  polite: { harness: "generic", command: "sh", args: ["-c", `${stubborn} trap 'exit 0' TERM; cat; exit 0`] },
  /** Listens to SIGTERM alone. */
  deaf: { harness: "generic", command: "sh", args: ["-c", `trap '' INT; ${stubborn} trap 'exit 0' TERM; wait`] },
};

export async function deletion(): Promise<Figure[]> {
  const daemon = await startDaemon({ config: { agents } });
  try {
    const took: Record<string, number> = {};
    for (const agent of ["polite", "deaf"]) {
      const all: number[] = [];
      for (let i = 0; i < times; i++) {
        const { body, text } = await daemon.post("/sessions", { agent, interactive: true });
        if (!body?.session_id) throw new Error(`Cannot start a session: ${text}`);
        const client = await daemon.ws(body.session_id, 0);
        await client.event(({ type }) => type === "stdout");
        const start = performance.now();
        await daemon.delete(`/sessions/${body.session_id}`);
        all.push((performance.now() - start) / 1000);
        await client.close();
      }
      took[agent] = percentile(all, 0.5);
    }
    return [
      {
        name: "DELETE of agent → shell → sleep that ignores SIGTERM",
        value: took["polite"] ?? Number.NaN,
        unit: "s",
        target: { atMost: 1 },
        note: "the agent ends when its input does, or at SIGTERM",
      },
      {
        name: "… of an agent that ignores the end of its input and SIGINT, and ends at SIGTERM",
        value: took["deaf"] ?? Number.NaN,
        unit: "s",
        target: { atMost: 1 },
        note: "asked for 2 s before the first SIGTERM: it may be saving its work",
      },
    ];
  } finally {
    await daemon.stop();
  }
}
