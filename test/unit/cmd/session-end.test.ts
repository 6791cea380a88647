import { expect, test } from "vitest";
import { endExitCode, endText } from "../../../cmd/session-end.ts";

test.each([
  { code: 0, reason: "finished", exits: 0, says: "Session s has finished (exit code 0)" },
  { code: 3, reason: "agent_failed", exits: 3, says: "Session s has failed (exit code 3)" },
  { code: 0, reason: "stopped", exits: 0, says: "Session s was stopped (exit code 0)" },
  { code: 143, reason: "stopped", exits: 0, says: "Session s was stopped (exit code 143)" },
  { code: 0, reason: "timeout", exits: 1, says: "Session s ran out of time (exit code 0)" },
  { code: 0, reason: "shutdown", exits: 1, says: "Session s was ended with its daemon (exit code 0)" },
  { code: -1, reason: "sidecar_lost", exits: 1, says: "Session s lost its sidecar (exit code -1)" },
  { code: 0, reason: "deleted", exits: 0, says: "Session s was deleted (exit code 0)" },
  { code: 143, reason: "deleted", exits: 143, says: "Session s was deleted (exit code 143)" },
  { code: 0, reason: undefined, exits: 0, says: "Session s has ended (exit code 0)" },
  { code: 256, reason: undefined, exits: 1, says: "Session s has ended (exit code 256)" },
  { code: undefined, reason: "launch_failed", exits: 1, says: "Session s could not be started" },
] as const)("$says: exits with $exits", ({ exits, says, ...end }) => {
  expect([endExitCode(end), endText("s", end)]).toEqual([exits, says]);
});
