import { expect, test } from "vitest";
import { ConfigFile } from "../../../src/config.ts";
import { egressChanges } from "../../../src/supervisor/egress-changes.ts";

const told = (egress: Record<string, unknown>, extraAuthorities = "") => ({
  egress: ConfigFile.parse({ egress }).egress,
  extraAuthorities,
});

test("what says the same is no change, in whatever order", () => {
  const [one, other] = [told({ allow: ["a.test", "b.test"] }), told({ allow: ["b.test", "a.test"] })];
  expect(egressChanges(one, other)).toEqual([]);
});

test.each<[what: string, before: object, after: object, changes: object[]]>([
  [
    "names",
    { allow: ["a.test", "b.test"] },
    { allow: ["b.test", "c.test"] },
    [{ setting: "allow", added: ["c.test"], removed: ["a.test"] }],
  ],
  ["the mode", {}, { mode: "audit" }, [{ setting: "mode", added: ["audit"], removed: ["enforce"] }]],
  [
    "a service at another port",
    { host_services: [{ name: "tools", port: 1 }] },
    { host_services: [{ name: "tools", port: 2 }] },
    [{ setting: "host_services", added: ["tools"], removed: ["tools"] }],
  ],
  [
    "another password, which is not told",
    { upstream_proxy: "http://u:one@p.test:80" },
    { upstream_proxy: "http://u:two@p.test:80" },
    [{ setting: "upstream_proxy", added: ["http://p.test"], removed: ["http://p.test"] }],
  ],
])("%s", (_, before, after, changes) => {
  expect(egressChanges(told({ ...before }), told({ ...after }))).toEqual(changes);
});

test("a file of authorities that holds something else is told", () => {
  const files = { ca_certificates: ["/etc/ca.pem"] };
  expect(egressChanges(told(files, "one"), told(files, "two"))).toEqual([
    { setting: "ca_certificates", added: ["/etc/ca.pem"], removed: ["/etc/ca.pem"] },
  ]);
});
