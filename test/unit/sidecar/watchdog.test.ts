import { describe, expect, it } from "vitest";
import type { Waiting } from "../../../sidecar/harness.ts";
import { judge, stallThresholds, startWatchdog } from "../../../sidecar/watchdog.ts";
import { eventually } from "../../support/eventually.ts";

const thresholds = { warnS: 600, killS: 3000 };

function judgeAfter(waiting: Waiting, silenceS: number, isWarned = false) {
  return judge({ waiting, lastSignAt: 0, isWarned }, thresholds, silenceS * 1000);
}

describe("the watchdog", () => {
  it.each<[Waiting, number, string]>([
    [{ on: "nothing" }, 1e6, "well"],
    [{ on: "person" }, 1e6, "well"],
    [{ on: "model" }, 599, "well"],
    [{ on: "model" }, 600, "warn"],
    [{ on: "model" }, 3000, "kill"],
    [{ on: "tool", names: ["Bash"] }, 600, "warn"],
    [{ on: "tool", names: ["Bash"] }, 1e6, "warn"],
    [{ on: "retry", dueAt: 5_000_000 }, 5599, "well"],
    [{ on: "retry", dueAt: 5_000_000 }, 5600, "warn"],
    [{ on: "retry", dueAt: 5_000_000 }, 8000, "kill"],
  ])("waiting on %j for %i s: %s", (waiting, silenceS, verdict) => {
    expect(judgeAfter(waiting, silenceS).verdict).toBe(verdict);
  });

  it("warns once about a silence", () => {
    expect(judgeAfter({ on: "model" }, 700, true)).toEqual({ verdict: "well" });
  });

  it("says what it waits for and when it will act", () => {
    expect(judgeAfter({ on: "tool", names: ["Bash"] }, 601)).toEqual({
      verdict: "warn",
      data: {
        subtype: "stall_warning",
        waiting_for: "tool",
        tools: ["Bash"],
        silence_s: 601,
        threshold_s: 600,
        kills_after_s: null,
      },
    });
    expect(judgeAfter({ on: "model" }, 601)).toEqual({
      verdict: "warn",
      data: { subtype: "stall_warning", waiting_for: "model", silence_s: 601, threshold_s: 600, kills_after_s: 3000 },
    });
  });

  it.each([
    [{}, { warnS: 600, killS: 3000 }],
    [
      { stall_warning_timeout: 0, stall_kill_timeout: 0 },
      { warnS: 600, killS: 3000 },
    ],
    [
      { stall_warning_timeout: 0.5, stall_kill_timeout: -1 },
      { warnS: 0.5, killS: Infinity },
    ],
  ])("reads thresholds from %j", (config, expected) => {
    expect(stallThresholds(config)).toEqual(expected);
  });

  it("warns, then gives up once, and rests while nothing is read", async () => {
    const seen: string[] = [];
    let isResting = true;
    let looks = 0;
    let now = 0;
    const watchdog = startWatchdog({
      thresholds: { warnS: 0.04, killS: 0.08 },
      now: () => now,
      steady: () => now,
      waiting: () => ({ on: "model" }),
      isResting: () => {
        looks++;
        return isResting;
      },
      onWarning: ({ subtype }) => seen.push(subtype),
      onStall: ({ subtype }) => seen.push(subtype),
    });
    now = 1_000;
    const before = looks;
    await eventually(() => looks > before + 3, { what: "some looks" });
    expect(seen).toEqual([]);
    isResting = false;
    now = 1_050;
    await eventually(() => seen.length === 1);
    now = 1_200;
    await eventually(() => seen.length === 2);
    watchdog.stop();
    expect(seen).toEqual(["stall_warning", "stall_kill"]);
  });

  it.each([3_600_000, -3_600_000])(
    "takes a clock that was set by %i ms for no silence, and counts on",
    async (jump) => {
      const seen: string[] = [];
      let wall = 5_000_000;
      let steady = 0;
      let looks = 0;
      const watchdog = startWatchdog({
        thresholds: { warnS: 0.04, killS: 0.08 },
        now: () => wall,
        steady: () => steady,
        waiting: () => {
          looks++;
          return { on: "model" };
        },
        isResting: () => false,
        onWarning: ({ subtype, silence_s }) => seen.push(`${subtype} ${silence_s}`),
        onStall: ({ subtype, silence_s }) => seen.push(`${subtype} ${silence_s}`),
      });
      wall += jump;
      await eventually(() => looks > 5);
      expect(seen).toEqual([]);
      wall += 100;
      steady += 100;
      await eventually(() => seen.length > 0);
      watchdog.stop();
      expect(seen).toEqual(["stall_kill 0.1"]);
    },
  );
});
