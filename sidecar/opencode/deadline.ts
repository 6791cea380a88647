/** Waiting, but not for ever. */
import type { AgentProcess } from "../agent-process.ts";

/** What it resolves with, or undefined when that takes too long. */
export async function within<T>(promise: Promise<T>, ms: number): Promise<T | undefined> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<undefined>((resolve) => {
    timer = setTimeout(() => resolve(undefined), ms);
  });
  const first = await Promise.race([promise, late]);
  clearTimeout(timer);
  return first;
}

export async function endsWithin({ exited }: AgentProcess, ms: number): Promise<boolean> {
  return (await within(exited, ms)) !== undefined;
}
