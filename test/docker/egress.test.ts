import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { LoggedEvent } from "../support/client-socket.ts";
import { type DockerShell, denials, startDockerShell, textOf } from "../support/docker-shell.ts";
import { agentdContainers, engine } from "../support/docker-world.ts";

/** All of them are answered by the same server: what is not reached would have answered. */
const names = ["allowed.test", "below.wild.test", "denied.test", "allowed.test.evil.test", "extra.test", "inside.test"];

let shell: DockerShell;

beforeAll(async () => {
  shell = await startDockerShell(names, {
    config: { egress: { allow: ["Allowed.Test.", "*.wild.test", "inside.test"], permit: ["extra.test"] } },
  });
});

afterAll(() => shell?.stop());

/** `curl` prints MARKER when the server is reached, and a code when it is not. */
const curl = (url: string, more = "") => `curl -sk -m 15 ${more} '${url}'; echo " code $?"`;
/** Bytes as they are to the proxy, and its first line. */
const raw = (bytes: string) =>
  `python3 -c 'import os,socket,sys;h,p=os.environ["HTTPS_PROXY"].split("//")[1].split(":");s=socket.create_connection((h,int(p)),5);s.sendall(${bytes});s.settimeout(8);print(s.recv(200).split(b"\\r\\n")[0].decode("latin1"))'`;

/** In a session's home on this machine, which its container sees. */
const go = (id: string, step: string) => writeFile(join(shell.daemon.dataDir, "sessions", id, "home", step), "");
const waitFor = (step: string) => `for i in $(seq 600); do [ -e /home/agent/${step} ] && break; sleep 0.1; done`;

test("a permitted name is reached, in any spelling, and one below a star", async () => {
  const { lines, events } = await shell.run(
    [curl("https://allowed.test/"), curl("https://ALLOWED.test./"), curl("https://below.wild.test/")].join("\n"),
  );
  expect(lines).toEqual(["MARKER code 0", "MARKER code 0", "MARKER code 0"]);
  expect(denials(events)).toEqual([]);
});

const refusals: [what: string, script: string, host: string, port: number, reason: string][] = [
  ["another name", curl("https://denied.test/"), "denied.test", 443, "name"],
  ["another name with a dot and capitals", curl("https://DENIED.test./"), "denied.test", 443, "name"],
  [
    "a name that begins like a permitted one",
    curl("https://allowed.test.evil.test/"),
    "allowed.test.evil.test",
    443,
    "name",
  ],
  ["the name above a star", curl("https://wild.test/"), "wild.test", 443, "name"],
  ["the server's own IPv4 address", curl("https://198.51.100.2/"), "198.51.100.2", 443, "literal"],
  [
    "an address as one decimal number",
    raw('b"CONNECT 3325256706:443 HTTP/1.1\\r\\n\\r\\n"'),
    "198.51.100.2",
    443,
    "literal",
  ],
  ["an address in hexadecimal", raw('b"CONNECT 0xc6336402:443 HTTP/1.1\\r\\n\\r\\n"'), "198.51.100.2", 443, "literal"],
  ["an IPv6 address", raw('b"CONNECT [2001:db8::1]:443 HTTP/1.1\\r\\n\\r\\n"'), "[2001:db8::1]", 443, "literal"],
  ["port 22 of a permitted name", raw('b"CONNECT allowed.test:22 HTTP/1.1\\r\\n\\r\\n"'), "allowed.test", 22, "port"],
  ["clear HTTP to a permitted name", curl("http://allowed.test/"), "allowed.test", 80, "method"],
  ["the metadata address", curl("https://169.254.169.254/"), "169.254.169.254", 443, "literal"],
  [
    "another name in the TLS hello",
    curl("https://denied.test/", "--connect-to denied.test:443:allowed.test:443"),
    "allowed.test",
    443,
    "sni",
  ],
  [
    "clear HTTP inside a tunnel",
    `python3 -c 'import os,socket;h,p=os.environ["HTTPS_PROXY"].split("//")[1].split(":");s=socket.create_connection((h,int(p)),5);s.sendall(b"CONNECT allowed.test:443 HTTP/1.1\\r\\n\\r\\n");s.settimeout(8);s.recv(200);s.sendall(b"GET / HTTP/1.1\\r\\nHost: denied.test\\r\\n\\r\\n");print(s.recv(200)[:3])'`,
    "allowed.test",
    443,
    "sni_missing",
  ],
];

describe("what the proxy refuses is told in the session within a second of being asked for:", () => {
  test.each(refusals)("%s", async (_, script, host, port, reason) => {
    const id = await shell.start(`echo "asked $(date +%s%3N)"; ${script}; ${waitFor("told")}`);
    const isTold = ({ data }: LoggedEvent) => data["subtype"] === "egress_denied";
    const told = (await shell.log(id, (events) => events.some(isTold))).find(isTold);
    await go(id, "told");
    const events = await shell.log(id);
    const [asked = "", ...lines] = textOf(events, "stdout");
    expect(lines.join("\n")).not.toContain("MARKER");
    expect(denials(events)).toEqual([{ host, port, reason }]);
    // One clock for both; the start of the program that asks is in it.
    const ms = Number(told?.timestamp) - Number(/^asked (\d+)$/.exec(asked)?.[1]);
    expect(ms).toBeGreaterThanOrEqual(0);
    expect(ms).toBeLessThan(1_000);
  });
});

test("a permitted name that resolves to a private address is not reached", async () => {
  const id = await shell.start(
    `for i in $(seq 100); do [ -e go ] && break; sleep 0.1; done; ${curl("https://inside.test/")}; sleep 2`,
  );
  const [container] = await agentdContainers(id);
  const network = engine.getNetwork(Object.keys(container?.NetworkSettings.Networks ?? {})[0] ?? "");
  const front = `${shell.world.network}-front`;
  // The same server, now also on the session's own network under that name.
  await engine.getNetwork(shell.world.network).disconnect({ Container: front });
  await network.connect({ Container: front, EndpointConfig: { Aliases: ["inside.test"] } });
  try {
    const exec = await engine.getContainer(container?.Id ?? "").exec({ Cmd: ["touch", "/workspace/go"] });
    await exec.start({});
    const events = await shell.log(id);
    expect(denials(events)).toEqual([{ host: "inside.test", port: 443, reason: "range" }]);
    expect(JSON.stringify(events)).not.toContain("MARKER");
  } finally {
    await network.disconnect({ Container: front, Force: true }).catch(() => undefined);
    await engine.getNetwork(shell.world.network).connect({ Container: front, EndpointConfig: { Aliases: names } });
  }
});

test("bytes that are no request, and the proxy's own pages, come to nothing", async () => {
  const { lines } = await shell.run(
    [
      raw('b"CONNECT allowed.test\\x00.evil.test:443 HTTP/1.1\\r\\n\\r\\n"'),
      raw('b"GET cache_object://localhost/info HTTP/1.1\\r\\n\\r\\n"'),
      raw('b"GET /squid-internal-mgr/info HTTP/1.1\\r\\nHost: localhost\\r\\n\\r\\n"'),
    ].join("\n"),
  );
  for (const line of lines) expect(line).toMatch(/^HTTP\/1\.1 4\d\d /);
  expect(lines).toHaveLength(3);
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
    `for i in $(seq 400); do [ -e go ] && break; sleep 0.1; done; for i in $(seq 30); do curl -sk -m 5 https://allowed.test/ && break; sleep 1; done; echo`,
  );
  const [container] = await agentdContainers(id);
  const proxy = (await agentdContainers()).find(({ Labels }) => Labels["agentruntime.role"] === "proxy");
  await engine.getContainer(proxy?.Id ?? "").remove({ force: true });
  const exec = await engine.getContainer(container?.Id ?? "").exec({ Cmd: ["touch", "/workspace/go"] });
  await exec.start({});
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

test("audit lets other names pass and tells of them when the tunnel is asked for; addresses stay closed", async () => {
  const audited = await startAudit();
  try {
    const { lines, events } = await audited.run(
      `${curl("https://denied.test/")}; ${curl("https://198.51.100.2/")}; ${raw('b"CONNECT denied.test:22 HTTP/1.1\\r\\n\\r\\n"')}; sleep 2`,
    );
    expect(lines[0]).toBe("MARKER code 0");
    expect(lines.slice(1).join()).not.toContain("MARKER");
    expect(denials(events, "egress_audited")).toEqual([{ host: "denied.test", port: 443, reason: "name" }]);
    expect(denials(events).map(({ reason }) => reason)).toEqual(["literal", "port"]);
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
