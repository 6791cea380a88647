import { expect, test } from "vitest";
import { strictFrame } from "../../support/strict-frame.ts";

test.each([
  ["an unknown type", { type: "wave" }],
  ["a key too many", { type: "pong", at: 1 }],
  ["a key too few", { type: "session" }],
  [
    "a key too many within",
    { type: "input_required", data: { request_id: "r", kind: "permission", message: "m", x: 1 } },
  ],
])("a frame with %s is a fault of the daemon's", (_fault, frame) => {
  expect(() => strictFrame(JSON.stringify(frame))).toThrow("not as described");
});

test("a frame as described is taken as it is", () => {
  const frame = { type: "accepted", turn_id: "t1", position: 0 };
  expect(strictFrame(JSON.stringify(frame))).toEqual(frame);
});
