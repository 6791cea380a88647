/** A daemon that is killed takes acknowledgements with it that were on their way; what waits for them must hear of them again. */
import { stat } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { eventually } from "../support/eventually.ts";
import { type Daemon, startDaemon } from "../support/start-daemon.ts";
import { tempDir } from "../support/temp-dir.ts";

const agent = fileURLToPath(new URL("../fixtures/agents/prints-and-tells.mjs", import.meta.url));

test("a sidecar whose spool is full goes on under each next daemon, however many are killed", async () => {
  const folder = await tempDir();
  const config = {
    limits: { spool_bytes: 262_144 },
    agents: { floods: { command: process.execPath, args: [agent, String(400 * 1024), join(folder.path, "printed")] } },
  };
  const first = await startDaemon({ config });
  const { dataDir } = first;
  let daemon: Daemon = first;
  try {
    const { body } = await daemon.post("/sessions", { agent: "floods", prompt: "go" });
    const log = join(dataDir, "sessions", body.session_id, "events.ndjson");
    const size = async () => (await stat(log)).size;
    for (let kills = 0; kills < 5; kills++) {
      const before = await size();
      await eventually(async () => (await size()) > before + 512 * 1024, { what: "half a MiB more of log" });
      await daemon.kill9();
      const left = await size();
      daemon = await startDaemon({ config, dataDir });
      await eventually(async () => (await size()) > left, { deadlineMs: 60_000, what: "more of the log after a kill" });
    }
    expect((await daemon.delete(`/sessions/${body.session_id}`)).status).toBe(200);
  } finally {
    await daemon.stop();
    await first.stop();
    await folder.remove();
  }
});
