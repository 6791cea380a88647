/** Programs that print mutated recordings: whatever an agent says, its session ends, once, and its turn ends once. */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import fc from "fast-check";
import { expect, test } from "vitest";
import * as z from "zod";
import { SessionEvent } from "../../src/protocol/event.ts";
import { eventually } from "../support/eventually.ts";
import { mutated, recordingsOf } from "../support/mutated-recordings.ts";
import { readLog } from "../support/read-log.ts";
import { startDaemon } from "../support/start-daemon.ts";
import { tempDir } from "../support/temp-dir.ts";

const player = fileURLToPath(new URL("../fixtures/agents/plays-lines.mjs", import.meta.url));
const storiesOfEach = 12;

/** Two of the recordings hold both directions; an agent prints only its own. */
const TwoWay = z.object({ dir: z.string(), msg: z.unknown() });
const agents = [
  { harness: "claude", spoken: "" },
  { harness: "codex", spoken: "out" },
  { harness: "acp", spoken: "in" },
] as const;

test.each(agents)("$harness: each session ends in exactly one exit", async ({ harness, spoken }) => {
  const seed = Math.floor(Math.random() * 1e9);
  const stories = fc.sample(mutated(recordingsOf(harness).map((lines) => lines.flatMap(ownLine))), {
    numRuns: storiesOfEach,
    seed,
  });
  function ownLine(line: string): string[] {
    if (spoken === "") return [line];
    const both = TwoWay.safeParse(JSON.parse(line)).data;
    return both?.dir === spoken ? [JSON.stringify(both.msg)] : [];
  }

  const folder = await tempDir();
  const files = await Promise.all(
    stories.map(async (lines, i) => {
      const path = join(folder.path, `${i}.ndjson`);
      await writeFile(path, `${lines.join("\n")}\n`);
      return path;
    }),
  );
  const config = Object.fromEntries(
    files.map((file, i) => [`story${i}`, { harness, command: process.execPath, args: [player, file] }]),
  );
  const daemon = await startDaemon({ config: { agents: config } });
  try {
    for (const agent of Object.keys(config)) {
      const { body } = await daemon.post("/sessions", { agent, prompt: "tell me" });
      const id: string = body.session_id;
      await eventually(async () => (await daemon.get(`/sessions/${id}`)).body.ended_at !== undefined, {
        deadlineMs: 30_000,
        what: `the end of ${agent} (seed ${seed})`,
      });
      const events = await readLog(daemon, id);
      for (const { type, data } of events) SessionEvent.parse({ type, data });
      expect(events.filter(({ type }) => type === "exit").length, `exits of ${agent}, seed ${seed}`).toBe(1);
      expect(events.at(-1)?.type).toBe("exit");
      const ends = events.flatMap(({ type, data }) => (type === "result" && data["turn_id"] === "t1" ? ["t1"] : []));
      expect(ends, `ends of the turn of ${agent}, seed ${seed}`).toEqual(["t1"]);
    }
  } finally {
    await daemon.stop();
    await folder.remove();
  }
});
