/** Waits for a state instead of sleeping. */
import { setTimeout as sleep } from "node:timers/promises";

/**
 * Resolves with what `condition` returns as soon as that is neither undefined, null nor false. A condition that
 * throws is asked again; its last error is the cause when the deadline passes.
 */
export async function eventually<T>(
  condition: () => T | Promise<T>,
  options: { deadlineMs?: number; everyMs?: number; what?: string } = {},
): Promise<Exclude<T, undefined | null | false>> {
  const { deadlineMs = 30_000, everyMs = 20, what = "the condition" } = options;
  const deadline = Date.now() + deadlineMs;
  let cause: unknown;
  for (;;) {
    try {
      cause = undefined;
      const value = await condition();
      if (value !== undefined && value !== null && value !== false)
        return value as Exclude<T, undefined | null | false>;
    } catch (thrown) {
      cause = thrown;
    }
    if (Date.now() > deadline) throw new Error(`${what} did not come true within ${deadlineMs} ms`, { cause });
    await sleep(everyMs);
  }
}
