/** How late the daemon's own timers are: what a client would wait for before anything happens. */

const everyMs = 500;

export interface LagMeter {
  stop(): void;
}

/** One timer for the whole daemon; it keeps nothing alive. */
export function watchEventLoop(onLag: (seconds: number) => void): LagMeter {
  let dueAt = performance.now() + everyMs;
  const timer = setInterval(() => {
    const now = performance.now();
    onLag(Math.max(0, now - dueAt) / 1000);
    dueAt = now + everyMs;
  }, everyMs);
  timer.unref();
  return { stop: () => clearInterval(timer) };
}
