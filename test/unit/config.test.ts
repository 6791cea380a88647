import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type ConfigFlags, dataDirOf, loadConfig } from "../../src/config.ts";
import { type TempDir, tempDir } from "../support/temp-dir.ts";

let dir: TempDir;
beforeEach(async () => {
  dir = await tempDir();
});
afterEach(async () => {
  await dir.remove();
});

async function load(file?: unknown, flags: ConfigFlags = {}, environment: Record<string, string> = {}) {
  if (file !== undefined)
    await writeFile(join(dir.path, "config.json"), typeof file === "string" ? file : JSON.stringify(file));
  return loadConfig({ flags: { dataDir: dir.path, ...flags }, environment });
}

test("without a file the defaults hold, and claude is an agent", async () => {
  expect(await load()).toMatchObject({
    listen: { host: "127.0.0.1", port: 8090 },
    auth: true,
    runtime: "local",
    runtimes: ["local"],
    fsync: "turn",
    agents: { claude: { args: [], env: {} } },
    limits: { ring_bytes: 1024 * 1024, body_bytes: 8 * 1024 * 1024, client_stall: 60_000, max_sessions: 0 },
    tokenFile: join(dir.path, "token"),
  });
});

test("flags come over the environment, the environment over the file", async () => {
  const file = { listen: { port: 1, host: "::1" }, limits: { ring_bytes: 5, client_stall: "5s" } };
  expect((await load(file)).listen).toEqual({ port: 1, host: "::1" });
  expect((await load(file, {}, { AGENTRUNTIME_PORT: "2" })).listen).toEqual({ port: 2, host: "::1" });
  expect((await load(file, { port: 3 }, { AGENTRUNTIME_PORT: "2" })).listen).toEqual({ port: 3, host: "::1" });
  expect((await load(file, { ringBytes: 7 })).limits).toMatchObject({ ring_bytes: 7, client_stall: 5000 });
});

const license = fileURLToPath(new URL("../../LICENSE", import.meta.url));
const proxy = (upstream_proxy: string) => ({ egress: { upstream_proxy } });

describe("each bad value is named in a sentence", () => {
  const bad: [string, unknown, ConfigFlags, Record<string, string>, RegExp][] = [
    ["not JSON", "{", {}, {}, /is not JSON/],
    ["not an object", "[]", {}, {}, /expected object/],
    ["null", "null", {}, {}, /expected object/],
    ["an unknown key", { lisen: {} }, {}, {}, /lisen/],
    ["an unknown key in a section", { listen: { prot: 1 } }, {}, {}, /prot.*listen|listen.*prot/s],
    ["a section that is none", { listen: 8090 }, {}, {}, /listen/],
    ["a port of text", { listen: { port: "8090" } }, {}, {}, /port/],
    ["a port too high", { listen: { port: 70_000 } }, {}, {}, /port/],
    ["a port flag too high", {}, { port: 70_000 }, {}, /port/],
    ["a port in the environment that is no number", {}, {}, { AGENTRUNTIME_PORT: "eight" }, /port/],
    ["an empty host", { listen: { host: "" } }, {}, {}, /host/],
    ["a negative limit", { limits: { ring_bytes: -1 } }, {}, {}, /ring_bytes/],
    ["a limit of zero", { limits: { line_bytes: 0 } }, {}, {}, /line_bytes/],
    ["a fraction", { limits: { queue_length: 1.5 } }, {}, {}, /queue_length/],
    ["a duration without unit", { limits: { client_stall: 60 } }, {}, {}, /client_stall/],
    ["a duration flag that is none", {}, { clientStall: "soon" }, {}, /client_stall/],
    [
      "containers that wait on an engine elsewhere",
      { runtime: "docker", docker: { ready_containers: 1, host: "ssh://build@far" } },
      {},
      {},
      /docker\.ready_containers.*ssh:\/\/build@far.*Leave/,
    ],
    [
      "the same by a flag and the environment",
      { runtimes: ["local", "docker"], docker: { ready_containers: 1 } },
      {},
      { DOCKER_HOST: "tcp://far:2376" },
      /docker\.ready_containers.*tcp:\/\/far:2376/,
    ],
    ["an unknown runtime", { runtime: "podman" }, {}, {}, /runtime/],
    ["an unknown runtime flag", {}, { runtime: "podman" }, {}, /runtime/],
    ["an unknown fsync", {}, { fsync: "sometimes" }, {}, /fsync/],
    ["an unknown log level", { log_level: "loud" }, {}, {}, /log_level/],
    ["an agent's name in capitals", { agents: { Claude: {} } }, {}, {}, /Claude/],
    ["an agent with an unknown key", { agents: { a: { cmd: "x" } } }, {}, {}, /cmd/],
    ["an agent without a command in its command", { agents: { a: { command: "" } } }, {}, {}, /command/],
    ["a base URL that is none", { agents: { a: { base_url: "model" } } }, {}, {}, /base_url/],
    ["a proxy that is reached by TLS", proxy("https://a.test:3128"), {}, {}, /upstream_proxy/],
    ["a proxy with a path", proxy("http://a.test:3128/x"), {}, {}, /upstream_proxy/],
    ["a proxy that is a name only", proxy("a.test:3128"), {}, {}, /upstream_proxy/],
    ["a proxy whose user has a colon", proxy("http://a%3Ab:c@a.test:3128"), {}, {}, /upstream_proxy/],
    ["a proxy whose password ends a line", proxy("http://a:c%0Ad@a.test:3128"), {}, {}, /upstream_proxy/],
    [
      "authorities that are not there",
      { egress: { ca_certificates: ["/no/ca.pem"] } },
      {},
      {},
      /"\/no\/ca\.pem".*ENOENT/,
    ],
    ["authorities that are none", { egress: { ca_certificates: [license] } }, {}, {}, /no certificate in it/],
    ["an unknown harness", { agents: { a: { harness: "cobol" } } }, {}, {}, /harness/],
  ];
  for (const [what, file, flags, environment, message] of bad) {
    test(what, async () => {
      await expect(load(file, flags, environment)).rejects.toMatchObject({
        code: "invalid_request",
        message: expect.stringMatching(message),
      });
    });
  }

  test("a proxy's password is not repeated", async () => {
    const refused = load(proxy("http://me:SECRET@a.test:3128/x"));
    await expect(refused).rejects.toThrow("upstream_proxy");
    await expect(refused).rejects.not.toThrow("SECRET");
  });

  test("a file that was named and is not there", async () => {
    await expect(load(undefined, { config: join(dir.path, "none.json") })).rejects.toThrow(
      /Cannot read the configuration file ".*none\.json"/,
    );
  });
});

describe("without authentication", () => {
  test.each(["0.0.0.0", "::", "192.168.1.5", "example.org", "127.0.0.1.example.org"])(
    "listening on %s is refused",
    async (host) => {
      await expect(load({}, { host, auth: false })).rejects.toThrow(
        `Cannot listen on "${host}" without authentication`,
      );
      await expect(load({ auth: false, listen: { host } })).rejects.toThrow("without authentication");
    },
  );
  test.each(["127.0.0.1", "127.3.2.1", "::1", "localhost"])("listening on %s is allowed", async (host) => {
    expect((await load({}, { host, auth: false })).auth).toBe(false);
  });
});

test("the data dir is that of the flag, the environment, XDG, the home", () => {
  const all = { AGENTRUNTIME_DATA_DIR: "/env", XDG_DATA_HOME: "/xdg", HOME: "/home/me" };
  expect(dataDirOf("/flag", all)).toBe("/flag");
  expect(dataDirOf(undefined, all)).toBe("/env");
  expect(dataDirOf(undefined, { ...all, AGENTRUNTIME_DATA_DIR: "" })).toBe("/xdg/agentruntime");
  expect(dataDirOf(undefined, { HOME: "/home/me" })).toBe("/home/me/.local/share/agentruntime");
});

test("the agents that are always there are driven by harnesses of their own, other names by the generic one, unless told", async () => {
  const { agents } = await load({ agents: { echo: { command: "echo" }, work: { harness: "claude" } } });
  expect(Object.entries(agents).map(([name, settings]) => [name, settings.harness])).toEqual([
    ["claude", "claude"],
    ["codex", "codex"],
    ["opencode", "opencode"],
    ["echo", "generic"],
    ["work", "claude"],
  ]);
});
