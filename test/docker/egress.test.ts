import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { LoggedEvent } from "../support/client-socket.ts";
import { type DockerShell, denials, startDockerShell, textOf } from "../support/docker-shell.ts";
import { agentdContainers, engine, outside, testLabel } from "../support/docker-world.ts";
import { inProxy, markerAt, proxyContainer } from "../support/proxy-of.ts";

/** All of them are answered by the same server: what is not reached would have answered. */
const names = [
  ...["allowed.test", "below.wild.test", "wild.test", "denied.test", "allowed.test.evil.test", "extra.test"],
  "inside.test",
];

let shell: DockerShell;

beforeAll(async () => {
  shell = await startDockerShell(names, {
    config: { egress: { allow: ["Allowed.Test.", "*.wild.test", "inside.test"], permit: ["extra.test"] } },
  });
});

afterAll(() => shell?.stop());

/** `curl` prints MARKER when the server is reached, and a code when it is not. */
const curl = (url: string, more = "") => `curl -sk -m 15 ${more} '${url}'; echo " code $?"`;
/** Asks the proxy for a tunnel, and says its first line, and what comes out of a tunnel when these bytes are put into it. */
const tunnel = (target: string, bytes = "") => raw(`b"CONNECT ${target} HTTP/1.1\\r\\n\\r\\n"`, `b"${bytes}"`);
/** Bytes as they are to the proxy, and others when it answers 200. */
const raw = (bytes: string, then = 'b""') =>
  `python3 -c 'import os,socket;h,p=os.environ["HTTPS_PROXY"].split("//")[1].split(":");s=socket.create_connection((h,int(p)),5);s.settimeout(8);s.sendall(${bytes});l=s.recv(200).split(b"\\r\\n")[0].decode("latin1");print(l);" 200 " in l and (s.sendall(${then}),print("IN IT",s.recv(999)))'`;
/** The same by no proxy, for who is beside it. */
const straight = (host: string, port: number, bytes = "") =>
  `python3 -c 'import socket;s=socket.create_connection(("${host}",${port}),5);s.settimeout(8);s.sendall(b"${bytes}");print(b"".join(iter(lambda:s.recv(999),b"")))'`;
const clear = "GET / HTTP/1.1\\r\\nHost: denied.test\\r\\n\\r\\n";

/** In a session's home on this machine, which its container sees. */
const go = (id: string, step: string, { daemon } = shell) =>
  writeFile(join(daemon.dataDir, "sessions", id, "home", step), "");
const waitFor = (step: string) => `for i in $(seq 600); do [ -e /home/agent/${step} ] && break; sleep 0.1; done`;

test("a permitted name is reached, in any spelling, and one below a star", async () => {
  const { lines, events } = await shell.run(
    [curl("https://allowed.test/"), curl("https://ALLOWED.test./"), curl("https://below.wild.test/")].join("\n"),
  );
  expect(lines).toEqual(["MARKER code 0", "MARKER code 0", "MARKER code 0"]);
  expect(denials(events)).toEqual([]);
});

interface Refusal {
  what: string;
  script: string;
  /** What answers who is not behind the proxy, where that is not the same script. */
  straight?: string;
  told: { host: string; port: number; reason: string };
}

const refusal = (what: string, script: string, told: string, straight?: string): Refusal => {
  const [, host = "", port = "", reason = ""] = /^(\S+):(\d+) (\w+)$/.exec(told) ?? [];
  return { what, script, told: { host, port: Number(port), reason }, ...(straight === undefined ? {} : { straight }) };
};

const refusals: Refusal[] = [
  refusal("another name", curl("https://denied.test/"), "denied.test:443 name"),
  refusal("another name with a dot and capitals", curl("https://DENIED.test./"), "denied.test:443 name"),
  refusal(
    "a name that begins like a permitted one",
    curl("https://allowed.test.evil.test/"),
    "allowed.test.evil.test:443 name",
  ),
  refusal("the name above a star", curl("https://wild.test/"), "wild.test:443 name"),
  refusal("the server's own IPv4 address", curl("https://198.51.100.2/"), "198.51.100.2:443 literal"),
  refusal(
    "an address as one decimal number",
    tunnel("3325256706:443", clear),
    "198.51.100.2:443 literal",
    straight("3325256706", 443, clear),
  ),
  refusal(
    "an address in hexadecimal",
    tunnel("0xc6336402:443", clear),
    "198.51.100.2:443 literal",
    straight("0xc6336402", 443, clear),
  ),
  refusal(
    "port 22 of a permitted name",
    tunnel("allowed.test:22"),
    "allowed.test:22 port",
    straight("allowed.test", 22),
  ),
  refusal("clear HTTP to a permitted name", curl("http://allowed.test/"), "allowed.test:80 method"),
  refusal(
    "another name in the TLS hello",
    curl("https://denied.test/", "--connect-to denied.test:443:allowed.test:443"),
    "allowed.test:443 sni",
  ),
  refusal(
    "clear HTTP inside a tunnel",
    tunnel("allowed.test:443", clear),
    "allowed.test:443 sni_missing",
    straight("allowed.test", 443, clear),
  ),
];

test("who is not behind the proxy is answered by each target of what follows", async () => {
  const asked = refusals.map(({ script, straight = script }, index) => `echo "target ${index}"; ${straight}`);
  const answers = (await outside(shell.world, asked.join("\n"))).split(/target \d+\n/).slice(1);
  expect(answers).toEqual(refusals.map(() => expect.stringContaining("MARKER")));
});

describe("what the proxy refuses is told in the session within a second of being asked for:", () => {
  test.each(refusals.map((one) => [one.what, one] as const))(
    "%s",
    async (_, { script, told: { host, port, reason } }) => {
      const id = await shell.start(`echo "asked $(date +%s%3N)"; ${script}; ${waitFor("told")}`);
      const isTold = ({ data }: LoggedEvent) => data["subtype"] === "egress_denied";
      const told = (await shell.log(id, (events) => events.some(isTold))).find(isTold);
      await go(id, "told");
      const events = await shell.log(id);
      const [asked = "", ...lines] = textOf(events, "stdout");
      expect(lines.join("\n")).not.toMatch(/MARKER|IN IT b'[^']/);
      expect(denials(events)).toEqual([{ host, port, reason }]);
      // One clock for both; the start of the program that asks is in it.
      const ms = Number(told?.timestamp) - Number(/^asked (\d+)$/.exec(asked)?.[1]);
      expect(ms).toBeGreaterThanOrEqual(0);
      expect(ms).toBeLessThan(1_000);
    },
  );
});

test("the metadata address is refused as what it is", async () => {
  const { events } = await shell.run(`${curl("https://169.254.169.254/")}; sleep 1`);
  expect(denials(events)).toEqual([{ host: "169.254.169.254", port: 443, reason: "literal" }]);
});

test("an IPv6 address of a server that the proxy itself would reach is not reached", async () => {
  const network = `${shell.world.network}-six`;
  const front = `${shell.world.network}-front`;
  const address = "2001:db8:6::2";
  const made = await engine.createNetwork({
    Name: network,
    Labels: testLabel,
    EnableIPv6: true,
    IPAM: { Driver: "default", Config: [{ Subnet: "203.0.113.0/24" }, { Subnet: "2001:db8:6::/64" }] },
  });
  // The first session brings the proxy.
  await shell.run("true");
  const proxy = await proxyContainer();
  await made.connect({ Container: front, EndpointConfig: { IPAMConfig: { IPv6Address: address } } });
  await made.connect({ Container: proxy.id });
  try {
    expect(await inProxy(markerAt(`[${address}]`))).toContain(`Reached-At: ${address}`);
    const { lines, events } = await shell.run(`${tunnel(`[${address}]:443`, clear)}; sleep 1`);
    expect(lines).toEqual([expect.stringMatching(/^HTTP\/1\.1 403 /)]);
    expect(denials(events)).toEqual([{ host: `[${address}]`, port: 443, reason: "literal" }]);
  } finally {
    for (const Container of [front, proxy.id]) await made.disconnect({ Container, Force: true });
    await made.remove();
  }
});

/** While it goes on, the server of the name is beside the session at a private address, and nowhere else. */
async function atPrivateAddress(
  shells: DockerShell,
  id: string,
  during: (address: string) => Promise<void>,
): Promise<void> {
  const [container] = await agentdContainers(id);
  const network = engine.getNetwork(Object.keys(container?.NetworkSettings.Networks ?? {})[0] ?? "");
  const front = engine.getContainer(`${shells.world.network}-front`);
  const outer = engine.getNetwork(shells.world.network);
  await outer.disconnect({ Container: front.id });
  await network.connect({ Container: front.id, EndpointConfig: { Aliases: ["inside.test"] } });
  try {
    const found = Object.values((await front.inspect()).NetworkSettings.Networks);
    await during(found[0]?.IPAddress ?? "");
  } finally {
    await network.disconnect({ Container: front.id, Force: true }).catch(() => undefined);
    await outer.connect({ Container: front.id, EndpointConfig: { Aliases: names } });
  }
}

test("a permitted name that resolves to a private address is not reached", async () => {
  const id = await shell.start(`${waitFor("go")}; ${curl("https://inside.test/")}; sleep 2`);
  await atPrivateAddress(shell, id, async (address) => {
    expect(address).toMatch(/^10\./);
    // The proxy itself would come through, by the name too.
    for (const place of [address, "inside.test"])
      expect(await inProxy(markerAt(place))).toContain(`Reached-At: ${address}`);
    await go(id, "go");
    const events = await shell.log(id);
    expect(denials(events)).toEqual([{ host: "inside.test", port: 443, reason: "range" }]);
    expect(JSON.stringify(events)).not.toContain("MARKER");
  });
});

test("a name with a NUL in it, and the proxy's own pages, come to nothing and are told", async () => {
  const { lines, events } = await shell.run(
    [
      raw('b"CONNECT allowed.test\\x00.evil.test:443 HTTP/1.1\\r\\n\\r\\n"'),
      // What reads to the end of the name finds it below a star, what stops at the NUL connects to another one.
      raw('b"CONNECT denied.test\\x00.wild.test:443 HTTP/1.1\\r\\n\\r\\n"'),
      raw('b"CONNECT denied.test%00.wild.test:443 HTTP/1.1\\r\\n\\r\\n"'),
      raw('b"GET cache_object://localhost/info HTTP/1.1\\r\\n\\r\\n"'),
      raw('b"GET /squid-internal-mgr/info HTTP/1.1\\r\\nHost: localhost\\r\\n\\r\\n"'),
      "sleep 1",
    ].join("\n"),
  );
  expect(lines.map((line) => /^HTTP\/1\.1 (\d+) /.exec(line)?.[1])).toEqual(["400", "400", "403", "403", "403"]);
  expect(denials(events)).toEqual([
    // The second is the same to who cannot read it, and is counted.
    { host: "-", port: 0, reason: "method" },
    { host: "denied.test%00.wild.test", port: 443, reason: "literal" },
    { host: "localhost", port: 443, reason: "method" },
    { host: "egress-proxy", port: 3128, reason: "method" },
  ]);
  expect(JSON.stringify(events)).toContain("bytes that are no request");
});

test("a request may add a name that the operator permits, and no other", async () => {
  const added = await shell.run(curl("https://extra.test/"), { egress: { allow: ["extra.test"] } });
  expect(added.lines).toEqual(["MARKER code 0"]);
  const others = await shell.run(`${curl("https://extra.test/")}; sleep 1`);
  expect(denials(others.events)).toEqual([{ host: "extra.test", port: 443, reason: "name" }]);
  const refused = await shell.daemon.post("/sessions", {
    agent: "sh",
    prompt: "true",
    egress: { allow: ["denied.test"] },
  });
  expect([refused.status, refused.body.error]).toEqual([403, "not_permitted"]);
  const malformed = await shell.daemon.post("/sessions", { agent: "sh", prompt: "true", egress: { allow: ["*"] } });
  expect([malformed.status, malformed.body.error]).toEqual([400, "invalid_request"]);
});

test("a proxy that dies is replaced, and sessions that are under way reach it again", async () => {
  const id = await shell.start(
    `${waitFor("go")}; for i in $(seq 30); do curl -sk -m 5 https://allowed.test/ && break; sleep 1; done; echo`,
  );
  await (await proxyContainer()).remove({ force: true });
  await go(id, "go");
  const events = await shell.log(id);
  expect(JSON.stringify(events)).toContain("MARKER");
});

test("agentd egress log tells what was refused, of one session and of all", async () => {
  const { id } = await shell.run(`${curl("https://denied.test/")}; sleep 1`);
  const one = await shell.daemon.get(`/egress?session=${id}`);
  expect(one.body).toMatchObject([
    { session_id: id, host: "denied.test", port: 443, reason: "name", verdict: "denied" },
  ]);
  const cli = await shell.daemon.cli("egress", "log", id);
  expect(cli.stdout).toMatch(/denied\.test:443.*name/);
  expect((await shell.daemon.cli("egress", "log", "--json")).stdout).toContain(id);
});

test("audit lets other names pass and tells of them when the tunnel is asked for; addresses and ports stay closed", async () => {
  const audited = await startAudit();
  try {
    const { lines, events } = await audited.run(
      `${curl("https://denied.test/")}; ${curl("https://198.51.100.2/")}; ${tunnel("denied.test:22")}; sleep 2`,
    );
    expect(lines[0]).toBe("MARKER code 0");
    expect(lines.slice(1).join()).not.toContain("MARKER");
    expect(denials(events, "egress_audited")).toEqual([{ host: "denied.test", port: 443, reason: "name" }]);
    expect(denials(events).map(({ reason }) => reason)).toEqual(["literal", "port"]);
    const id = await audited.start(`${waitFor("go")}; ${curl("https://inside.test/")}; sleep 2`);
    await atPrivateAddress(audited, id, async (address) => {
      expect(await inProxy(markerAt("inside.test"))).toContain(`Reached-At: ${address}`);
      await go(id, "go", audited);
      const inside = await audited.log(id);
      expect(JSON.stringify(inside)).not.toContain("MARKER");
      // It was let pass as a name, which is told, and refused for where it leads.
      expect(denials(inside, "egress_audited")).toEqual([{ host: "inside.test", port: 443, reason: "name" }]);
      expect(denials(inside)).toEqual([{ host: "inside.test", port: 443, reason: "range" }]);
    });
  } finally {
    await audited.stop();
  }
});

/** In place of the other daemon: there is one range of public addresses. */
async function startAudit(): Promise<DockerShell> {
  await shell.stop();
  const audited = await startDockerShell(names, { config: { egress: { mode: "audit" } } });
  shell = { ...shell, stop: async () => undefined };
  return audited;
}
