import { expect, test } from "vitest";
import { wayOutText } from "../../../src/runtime/docker/way-out.ts";

test("without a proxy of the operator's the proxy goes out by itself", () => {
  expect(wayOutText(undefined)).toBe("always_direct allow inner\n");
});

test.each([
  ["http://proxy.example:8080", "cache_peer proxy.example parent 8080 0 ", undefined],
  ["http://proxy.example", "cache_peer proxy.example parent 80 0 ", undefined],
  ["http://[2001:db8::1]:3128", "cache_peer 2001:db8::1 parent 3128 0 ", undefined],
  ["http://me:secret@10.0.0.1:3128", "cache_peer 10.0.0.1 parent 3128 0 ", "me:secret"],
  // What squid takes out again is what was meant; in its file nothing but letters, digits and escapes is left.
  [
    "http://a%20b:p%40s%3As%25%23%0a%24%C3%A9@p.example:1",
    "cache_peer p.example parent 1 0 ",
    "a%20b:p%40s%3As%25%23%0A%24%C3%A9",
  ],
])("%s is where all goes, and no line more comes of it", (upstream, peer, login) => {
  const lines = wayOutText(upstream).split("\n");
  expect(lines[0]?.startsWith(peer)).toBe(true);
  expect(/ login=(\S+)$/.exec(lines[0] ?? "")?.[1]).toBe(login);
  expect(lines).toContain("never_direct allow inner");
  expect(lines.join("\n")).not.toContain("always_direct");
  expect(lines).toHaveLength(wayOutText("http://other.example:1").split("\n").length);
});
