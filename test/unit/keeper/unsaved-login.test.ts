import { expect, test } from "vitest";
import { isLoginAnew } from "../../../src/keeper/unsaved-login.ts";
import { claudeLogin } from "../../support/token-endpoint.ts";

const loginOf = (access: string, refresh: string) => JSON.stringify(claudeLogin({ access, refresh, expiresAt: 0 }));
const was = loginOf("access-of-old", "refresh-of-old");
const longer = loginOf("access-token-that-is-new", "refresh-token-that-is-new");
const shorter = loginOf("a", "r");
const upTo = (text: string, place: number) => text.padEnd(was.length).slice(0, place) + was.slice(place);

test.each([
  ["the old text", longer, was],
  ["the old text with room behind it", longer, `${was}    `],
  ["the new text over half of the old one", longer, upTo(longer, 40)],
  ["all of the new text, the rest of the old one cut off later", shorter, shorter.padEnd(was.length)],
  ["a shorter one over half of the old one", shorter, upTo(shorter, 40)],
  ["nothing", longer, ""],
  ["half a login that a program is writing", longer, loginOf("another", "another").slice(0, 50)],
])("%s is no login anew", (_what, text, inFile) => {
  expect(isLoginAnew({ kind: "claude" }, { was, text }, inFile)).toBe(false);
});

test("tokens of another login are one", () => {
  expect(isLoginAnew({ kind: "claude" }, { was, text: longer }, loginOf("another", "another"))).toBe(true);
});
