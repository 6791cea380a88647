import { expect, test } from "vitest";
import { OwnWords } from "../../../cmd/own-words.ts";

const logged = (text: string) =>
  JSON.stringify({ type: "user_message", data: { turn_id: "t1", kind: "prompt", text } });

test("what was typed here is known again, once each, and nothing that was refused or typed elsewhere", () => {
  const words = new OwnWords();
  words.expect("yes");
  words.expect("no");
  words.forget("no");
  expect(words.includes(JSON.stringify({ type: "stdout", data: { text: "yes" } }))).toBe(false);
  expect([logged("other"), logged("no"), logged("yes"), logged("yes")].map((line) => words.includes(line))).toEqual([
    false,
    false,
    true,
    false,
  ]);
});
