import { expect, test } from "vitest";
import { isRange, overlaps, subnetOf, subnetsOf } from "../../../src/runtime/docker/subnets.ts";

test("a range is cut into subnets of eight addresses", () => {
  const { count, at } = subnetsOf("10.231.0.0/16");
  expect(count).toBe(8192);
  expect(at(0)).toEqual({ cidr: "10.231.0.0/29", gateway: "10.231.0.1", proxy: "10.231.0.2", agent: "10.231.0.3" });
  expect(at(33)).toEqual({ cidr: "10.231.1.8/29", gateway: "10.231.1.9", proxy: "10.231.1.10", agent: "10.231.1.11" });
  expect(at(8192)).toEqual(at(0));
  expect(subnetOf("192.168.255.248/29").agent).toBe("192.168.255.251");
});

test.each([
  ["10.231.0.0/29", "10.231.0.0/16", true],
  ["10.231.0.8/29", "10.231.0.0/29", false],
  ["172.17.0.0/16", "172.17.3.0/29", true],
  ["0.0.0.0/0", "10.0.0.0/29", true],
])("%s and %s overlap: %s", (one, other, is) => {
  expect(overlaps(one, other)).toBe(is);
  expect(overlaps(other, one)).toBe(is);
});

test.each([
  ["10.231.0.0/16", true],
  ["10.231.0.8/29", true],
  ["10.231.0.4/29", false],
  ["10.231.0.0", false],
  ["10.231.0.0/30", false],
  ["10.256.0.0/16", false],
  ["ten/16", false],
])("%s is a range for sessions: %s", (text, is) => {
  expect(isRange(text)).toBe(is);
});
