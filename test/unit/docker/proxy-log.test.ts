import { expect, test } from "vitest";
import { parseProxyLine } from "../../../src/runtime/docker/proxy-log.ts";

const at = 1795555775863;
const line = (rest: string) => `egress 1795555775.863 10.231.0.3 ${rest}`;
const denied = { at, verdict: "denied" };

test.each([
  [
    "3128 CONNECT denied.example:443 403 TCP_DENIED name - - -/-",
    { host: "denied.example", port: 443, reason: "name" },
  ],
  ["3128 GET http://a.test/x 403 TCP_DENIED method - - -/-", { host: "a.test", port: 80, reason: "method" }],
  ["3128 CONNECT a.test:8443 403 TCP_DENIED port - - -/-", { host: "a.test", port: 8443, reason: "port" }],
  [
    "3128 CONNECT [2001:db8::1]:443 403 TCP_DENIED literal - - -/-",
    { host: "[2001:db8::1]", port: 443, reason: "literal" },
  ],
  [
    "3129 CONNECT a.test:443 200 NONE_NONE sni other.name terminate -/-",
    { host: "a.test", port: 443, reason: "sni", sni: "other.name" },
  ],
  [
    "3129 CONNECT a.test:443 200 NONE_NONE - - peek ERR_PROTOCOL_UNKNOWN/exception=1",
    { host: "a.test", port: 443, reason: "sni_missing" },
  ],
  ["3128 CONNECT a%20%00b:443 403 TCP_DENIED literal - - -/-", { host: "a \0b", port: 443, reason: "literal" }],
  [
    "- CONNECT error:invalid-request 400 NONE_NONE - - - -/- - HIER_NONE 4072",
    { host: "-", port: 0, reason: "method" },
  ],
  [
    "3128 GET cache_object://localhost/info 403 TCP_DENIED method - - ERR_EGRESS_DENIED/-",
    { host: "localhost", port: 443, reason: "method" },
  ],
])("a refusal is told: %s", (rest, facts) => {
  expect(parseProxyLine(line(rest))).toEqual({ address: "10.231.0.3", denial: { ...denied, ...facts } });
});

test("a tunnel that the operator's own proxy did not make is told of whoever asked for it", () => {
  const ended = "egress 1795555775.863 127.0.0.1 3129 CONNECT a.test:443 403 TCP_TUNNEL - a.test splice -/- 10.231.0.3";
  expect(parseProxyLine(`${ended} FIRSTUP_PARENT 0`)).toEqual({
    address: "10.231.0.3",
    denial: { ...denied, host: "a.test", port: 443, reason: "upstream" },
  });
});

test("a name that became private behind the TLS hello is told of whoever asked for it", () => {
  const ended = "egress 1795555775.863 127.0.0.1 3129 CONNECT a.test:443 403 TCP_DENIED range a.test splice";
  expect(parseProxyLine(`${ended} ERR_EGRESS_DENIED/- 10.231.0.3 HIER_NONE 484`)).toEqual({
    address: "10.231.0.3",
    denial: { ...denied, host: "a.test", port: 443, reason: "range" },
  });
});

test("what is let through in audit is told of", () => {
  expect(parseProxyLine("egress-audit 1795555775 10.231.0.3 other.test 443")).toEqual({
    address: "10.231.0.3",
    denial: { at: 1795555775000, host: "other.test", port: 443, reason: "name", verdict: "audited" },
  });
});

test.each([
  line("3128 CONNECT a.test:443 200 TCP_TUNNEL - - - -/-"),
  line("- - error:transaction-end-before-headers 0 NONE_NONE - - - ERR_CLIENT_GONE/WITH_CLIENT - HIER_NONE 0"),
  line("3129 CONNECT a.test:443 200 NONE_NONE - a.test splice -/-"),
  line("3129 CONNECT a.test:443 200 NONE_NONE_ABORTED - - peek ERR_CLIENT_GONE/WITH_CLIENT"),
  // It brought something; it went without such a proxy; its client left.
  line("3129 CONNECT a.test:443 200 TCP_TUNNEL - a.test splice -/- 10.231.0.3 FIRSTUP_PARENT 2014"),
  line("3129 CONNECT a.test:443 503 TCP_TUNNEL - a.test splice -/- 10.231.0.3 HIER_DIRECT 0"),
  line("3129 CONNECT a.test:443 200 TCP_TUNNEL_ABORTED - a.test splice -/- 10.231.0.3 FIRSTUP_PARENT 0"),
  line("3128 CONNECT a.test:443 200 TCP_TUNNEL - - - -/- - FIRSTUP_PARENT 39"),
  "2026/11/24 21:29:33| WARNING: something",
  "egress",
  "",
])("nothing is told of %s", (text) => {
  expect(parseProxyLine(text)).toBeUndefined();
});
