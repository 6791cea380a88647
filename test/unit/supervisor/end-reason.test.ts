import { expect, test } from "vitest";
import { endReasonOf } from "../../../src/supervisor/end-events.ts";

test.each([
  [{ code: 0 }, "finished"],
  [{ code: 3 }, "agent_failed"],
  [{ code: 137, signal: "SIGKILL" }, "agent_killed"],
  // A sidecar that was told to end, or whose daemon died before it could write down why it ended the session.
  [{ code: 0, error_category: "stopped" }, "stopped"],
  [{ code: 0, error_category: "timeout" }, "timeout"],
  [{ code: 0, error_category: "stall" }, "stall"],
  [{ code: -1, error_category: "sidecar_lost" }, "sidecar_lost"],
] as const)("an exit of %o is the end of a session for the reason %s", (exit, reason) => {
  expect(endReasonOf(exit)).toBe(reason);
});
