/** Around a whole run: nothing of ours may be alive or on disk that was not there before. */
import { readdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { fileURLToPath } from "node:url";
import { eventually } from "./eventually.ts";
import { allProcesses, type ProcessSeen, sessionProcesses } from "./processes.ts";
import { tempDirPrefix } from "./temp-dir.ts";

const dist = fileURLToPath(new URL("../../dist/", import.meta.url));

export function setup(): () => Promise<void> {
  const before = new Set(leftovers());
  return async () => {
    const left = () => leftovers().filter((what) => !before.has(what));
    try {
      await eventually(() => left().length === 0, { deadlineMs: 5_000, everyMs: 200 });
    } catch {
      throw new Error(`the tests left behind:\n  ${left().join("\n  ")}`);
    }
  };
}

function leftovers(): string[] {
  const sessions = new Set(sessionProcesses());
  const programs = [`${dist}agentd.js`, `${dist}sidecar.js`];
  return [
    ...allProcesses()
      .filter((seen) => programs.some((program) => seen.commandLine.includes(program)) || isOurs(seen, sessions))
      .map(({ pid, commandLine }) => `process ${pid}: ${commandLine.slice(0, 200)}`),
    ...readdirSync(tmpdir())
      .filter((name) => name.startsWith(tempDirPrefix))
      .map((name) => `folder ${name}`),
  ];
}

/** A session's process that knows our temp folder; those of another checkout's run know another one. */
function isOurs({ pid, commandLine, environment, workDir }: ProcessSeen, sessions: ReadonlySet<number>): boolean {
  return sessions.has(pid) && [commandLine, environment, workDir].some((text) => text.includes(tmpdir()));
}
