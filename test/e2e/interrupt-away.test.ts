/** Ctrl+C of somebody who watches while the daemon is away: it is done when the daemon is back. */
import { dirname } from "node:path";
import { execa } from "execa";
import { expect, onTestFinished, test } from "vitest";
import { results } from "../support/claude-daemon.ts";
import { startCountsDaemon } from "../support/counts-daemon.ts";
import { eventually } from "../support/eventually.ts";
import { agentdPath } from "../support/start-daemon.ts";

test("an interrupt that no daemon hears is told to the next one", async () => {
  const counts = await startCountsDaemon();
  onTestFinished(() => counts.stop());
  const id = await counts.create({ prompt: "words=20000 pause=20" });
  const dataDir = dirname(dirname(counts.dirOf(id)));
  const watching = execa(process.execPath, [agentdPath, "attach", id, "--data-dir", dataDir], {
    stdin: "ignore",
    reject: false,
    env: { AGENTD_URL: undefined, AGENTD_TOKEN: undefined },
  });
  onTestFinished(() => void watching.kill("SIGKILL"));
  let told = "";
  watching.stderr.on("data", (chunk) => {
    told += chunk;
  });
  let shown = "";
  watching.stdout.on("data", (chunk) => {
    shown += chunk;
  });
  await eventually(() => shown !== "", { what: "the turn" });
  await counts.daemon.kill9();
  watching.kill("SIGINT");
  await eventually(() => told.includes("Interrupting the turn"), { what: "its word" });
  await counts.restart();
  await counts.until(id, (events) => results(events).length === 1);
  expect(results(counts.events(id))).toEqual([{ turn: "t1", status: "interrupted" }]);
  await counts.daemon.delete(`/sessions/${id}`);
  await watching;
  expect(told).not.toContain("Not interrupted");
});
