import { expect, test } from "vitest";
import { Away } from "../../../cmd/away.ts";

test("a daemon that stays away is mentioned in growing pauses, and anew when it goes again", () => {
  const away = new Away();
  expect(away.back()).toBeUndefined();
  const said: [second: number, text: string][] = [];
  for (let second = 0; second <= 3600; second++) {
    const text = away.failed("refused", second * 1000);
    if (text !== undefined) said.push([second, text]);
  }
  expect(said.slice(0, 4)).toEqual([
    [0, "Connection lost (refused): trying again"],
    [5, "Still trying, for 5 s now"],
    [15, "Still trying, for 15 s now"],
    [35, "Still trying, for 35 s now"],
  ]);
  expect(said.length).toBeLessThan(20);
  expect(away.back()).toBe("Connected again");
  expect(away.failed("refused", 9e6)).toBe("Connection lost (refused): trying again");
  expect(away.failed("refused", 9e6 + 1)).toBeUndefined();
});
