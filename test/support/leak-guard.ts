/**
 * Setup of every end-to-end test file: gives it a temp folder of its own and fails it when, after its last
 * test, a process still has anything to do with that folder or a file is left in it.
 */
import { mkdtempSync, readdirSync, realpathSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll } from "vitest";
import { eventually } from "./eventually.ts";
import { allProcesses } from "./processes.ts";
import { tempDirPrefix } from "./temp-dir.ts";

const tempBefore = process.env["TMPDIR"];
const home = realpathSync(mkdtempSync(join(tmpdir(), tempDirPrefix)));
process.env["TMPDIR"] = home;

afterAll(async () => {
  const faults = await faultsLeft();
  for (const { pid } of strays()) process.kill(pid, "SIGKILL");
  rmSync(home, { recursive: true, force: true, maxRetries: 5 });
  if (tempBefore === undefined) delete process.env["TMPDIR"];
  else process.env["TMPDIR"] = tempBefore;
  if (faults.length > 0) throw new Error(`this test file left behind:\n  ${faults.join("\n  ")}`);
});

/** What is still there when things have had time to go. */
async function faultsLeft(): Promise<string[]> {
  const find = () => [
    ...strays().map(({ pid, commandLine }) => `process ${pid}: ${commandLine.slice(0, 200)}`),
    ...readdirSync(home).map((name) => `file ${join(home, name)}`),
  ];
  try {
    await eventually(() => find().length === 0, { deadlineMs: 60_000, everyMs: 100 });
    return [];
  } catch {
    return find();
  }
}

/** Everything these tests start knows the folder: by a path in its arguments, its environment or its work dir. */
function strays() {
  return allProcesses().filter(
    ({ pid, commandLine, environment, workDir }) =>
      pid !== process.pid && (commandLine.includes(home) || environment.includes(home) || workDir.startsWith(home)),
  );
}
