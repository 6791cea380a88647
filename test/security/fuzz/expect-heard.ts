/** What was sent by sockets reached a session: inputs that are all refused, or that nobody hears, find nothing. */
import { expect } from "vitest";
import type { FuzzReport } from "./fuzzing.ts";

/** Of the few thousand inputs of the shortest run. */
export function expectHeard(said: FuzzReport["said"]): void {
  const times = (matches: RegExp) =>
    Object.entries(said).reduce((sum, [what, count]) => (matches.test(what) ? sum + count : sum), 0);
  const found = JSON.stringify(said);
  expect(times(/^message: accepted$/), found).toBeGreaterThan(8);
  expect(times(/^message: (?!invalid_frame|unknown_frame|connected|stdout)/), found).toBeGreaterThan(150);
  // Frames that were right as such, whatever was in them: a pong or an error of ours came.
  expect(times(/^frames: (pong|`)/), found).toBeGreaterThan(8);
}
