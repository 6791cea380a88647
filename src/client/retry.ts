/** Trying again what may be tried again: a daemon that is away comes back, and the session has gone on. */
import { AgentdError } from "../protocol/error.ts";
import { DaemonUnreachable } from "./address.ts";

/** A daemon that is starting, stopping or away may be back; one that says no means it. */
export function canPass(error: unknown): boolean {
  if (error instanceof DaemonUnreachable) return true;
  return error instanceof AgentdError && (error.status >= 500 || error.status === 409 || error.status === 429);
}

/** Resolves after `ms`, or at once when told to stop. */
export function pause(ms: number, signal?: AbortSignal): Promise<void> {
  if (signal?.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal?.addEventListener("abort", done);
  });
}

const pausesMs = [100, 200, 400, 800, 1600, 3200];

/**
 * Only for what is the same when it is done twice. Rejects with the last refusal after about 6 s. `onAway` is told of each
 * that is waited behind.
 */
export async function withRetries<T>(act: () => Promise<T>, onAway?: (refusal: Error) => void): Promise<T> {
  for (const pauseMs of pausesMs) {
    try {
      return await act();
    } catch (error) {
      const isAway =
        error instanceof DaemonUnreachable ||
        (error instanceof AgentdError && ["shutting_down", "rate_limited"].includes(error.code));
      if (!isAway) throw error;
      onAway?.(error);
      await pause(pauseMs);
    }
  }
  return act();
}
