import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { Opening } from "../../../sidecar/codex/opening.ts";

beforeEach(() => vi.useFakeTimers());
afterEach(() => vi.useRealTimers());

/** With a thread; `told` is what its owner was called for. */
function opened(servers: readonly string[]) {
  const told: string[] = [];
  const opening = new Opening({
    isResuming: false,
    servers,
    threadLine: () => "",
    instructionsLine: () => undefined,
    tell: () => undefined,
    threadId: () => "thread",
    onReady: () => told.push("ready"),
    onFailed: ({ message }) => told.push(message),
  });
  opening.begin();
  opening.replied({ id: "initialize" });
  return { opening, told };
}

it("is ready with its thread when no MCP server is to come", () => {
  const { opening } = opened([]);
  expect(opening.isReady).toBe(false);
  opening.replied({ id: "thread" });
  expect(opening.isReady).toBe(true);
});

it("waits until each MCP server has started or failed, whether before the thread or after it", () => {
  const { opening, told } = opened(["early", "late"]);
  opening.serverSettled("early");
  opening.replied({ id: "thread" });
  expect(opening.isReady).toBe(false);
  opening.serverSettled("late");
  expect(opening.isReady).toBe(true);
  vi.advanceTimersByTime(120_000);
  expect(told).toEqual([]);
});

it("goes on without an MCP server that nothing is heard of", () => {
  const { opening, told } = opened(["silent"]);
  opening.replied({ id: "thread" });
  vi.advanceTimersByTime(19_999);
  expect(opening.isReady).toBe(false);
  vi.advanceTimersByTime(1);
  expect(opening.isReady).toBe(true);
  expect(told).toEqual(["ready"]);
});
