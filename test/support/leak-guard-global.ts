/** Around a whole run: nothing of ours may be alive or on disk that was not there before. */
import { readdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { fileURLToPath } from "node:url";
import { eventually } from "./eventually.ts";
import { allProcesses, type ProcessSeen, sessionProcesses } from "./processes.ts";
import { tempDirPrefix } from "./temp-dir.ts";

const dist = fileURLToPath(new URL("../../dist/", import.meta.url));
const programs = [`${dist}agentd.js`, `${dist}sidecar.js`];

export function setup(): () => Promise<void> {
  const before = new Set(leftovers());
  return async () => {
    const left = () => leftovers().filter((what) => !before.has(what));
    try {
      await eventually(() => left().length === 0, { deadlineMs: 60_000, everyMs: 200 });
    } catch {
      throw new Error(`the tests left behind:\n  ${left().join("\n  ")}`);
    }
  };
}

function leftovers(): string[] {
  const sessions = new Set(sessionProcesses());
  return [
    ...allProcesses()
      .filter((seen) => isOurs(seen, sessions))
      .map(({ pid, commandLine }) => `process ${pid}: ${commandLine.slice(0, 200)}`),
    ...readdirSync(tmpdir())
      .filter((name) => name.startsWith(tempDirPrefix))
      .map((name) => `folder ${name}`),
  ];
}

/** One of our programs, or of a session, that knows our temp folder: those of a run beside this one know another. */
function isOurs({ pid, commandLine, environment, workDir }: ProcessSeen, sessions: ReadonlySet<number>): boolean {
  const isOfAgentruntime = sessions.has(pid) || programs.some((program) => commandLine.includes(program));
  return isOfAgentruntime && [commandLine, environment, workDir].some((text) => text.includes(tmpdir()));
}
