import { expect, test } from "vitest";
import { type Steer, Steers } from "../../../sidecar/codex/steers.ts";
import type { Turn } from "../../../sidecar/codex/turn-book.ts";

const turn = (codexId?: string): Turn => ({
  id: "t1",
  startedAt: 0,
  isAgents: false,
  retries: 0,
  refusals: 0,
  ...(codexId === undefined ? {} : { codexId }),
});
const text = [{ type: "text", text: "stop" }];

function started() {
  const sent: Steer[] = [];
  const steers = new Steers({ send: (steer) => `steer-${sent.push(steer)}` });
  return { sent, steers, names: () => sent.map(({ expectedTurnId }) => expectedTurnId) };
}

test("waits for the name of its turn", () => {
  const { steers, names } = started();
  steers.add(turn(), text);
  expect(names()).toEqual([]);
  steers.sendEarly("c1");
  expect(names()).toEqual(["c1"]);
});

test("follows the turn that runs now, once", () => {
  const { steers, names } = started();
  steers.add(turn("c1"), text);
  steers.replied("steer-1", true, turn("c2"));
  expect(names()).toEqual(["c1", "c2"]);
  steers.replied("steer-2", true, turn("c3"));
  expect(names()).toEqual(["c1", "c2"]);
  expect(steers.takeLeftOver()).toBe(text);
});

test("becomes a turn of its own when none runs, or the one that runs takes none", () => {
  for (const running of [undefined, turn("c1")]) {
    const { steers } = started();
    steers.add(turn("c1"), text);
    steers.replied("steer-1", true, running);
    expect(steers.isLeftOver).toBe(true);
    expect(steers.takeLeftOver()).toBe(text);
    expect(steers.takeLeftOver()).toBeUndefined();
  }
});

test("is over when it was taken, and goes with a turn that was told to end", () => {
  const { steers } = started();
  steers.add(turn("c1"), text);
  steers.add(turn("c1"), text);
  steers.replied("steer-1", false, undefined);
  steers.replied("steer-2", true, { ...turn("c1"), interrupt: { reason: "user", detail: undefined } });
  expect(steers.takeLeftOver()).toBeUndefined();
});
