import { describe, expect, test } from "vitest";
import { HostPattern, isCovered, normalHostName } from "../../../src/protocol/host-name.ts";

test.each([
  ["API.Example.COM", "api.example.com"],
  ["api.example.com.", "api.example.com"],
  ["bücher.example", "xn--bcher-kva.example"],
  ["a_b.example.com", "a_b.example.com"],
])("%s is the name %s", (text, name) => {
  expect(normalHostName(text)).toBe(name);
});

test.each([
  "localhost",
  "127.0.0.1",
  "2130706433",
  "0x7f.1",
  "1.2.3.0x4",
  "[::1]",
  "a..b.com",
  "https://example.com",
  "example.com:443",
  "user@example.com",
  "exa mple.com",
  "example.com\0.evil.com",
  "-a.example.com",
  "*",
  "",
])("%j is no name of a host", (text) => {
  expect(normalHostName(text)).toBeUndefined();
});

test("a pattern is a name, or a star before one", () => {
  expect(HostPattern.parse("*.Example.com.")).toBe("*.example.com");
  for (const text of ["*", "*.com.*", "a.*.com", "**.example.com", "*example.com", ".example.com"])
    expect(HostPattern.safeParse(text).success, text).toBe(false);
});

describe("a pattern covers", () => {
  test.each([
    ["a.example.com", "a.example.com", true],
    ["a.example.com", "*.example.com", true],
    ["a.b.example.com", "*.example.com", true],
    ["*.b.example.com", "*.example.com", true],
    ["*.example.com", "*.example.com", true],
    ["example.com", "*.example.com", false],
    ["*.example.com", "a.example.com", false],
    ["badexample.com", "*.example.com", false],
    ["example.com.evil.com", "*.example.com", false],
  ])("%s by %s: %s", (asked, pattern, is) => {
    expect(isCovered(asked, [pattern])).toBe(is);
  });
});
