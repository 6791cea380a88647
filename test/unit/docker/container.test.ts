import { describe, expect, test } from "vitest";
import { loadConfig } from "../../../src/config.ts";
import { SessionRequest } from "../../../src/protocol/http.ts";
import { containerOptions } from "../../../src/runtime/docker/container-options.ts";
import { furnishedWith } from "../../../src/runtime/docker/mounted-premises.ts";
import { subnetOf } from "../../../src/runtime/docker/subnets.ts";
import { containerOf } from "../../../src/supervisor/container.ts";
import { egressNow, egressOf } from "../../../src/supervisor/egress.ts";
import { hostGateway } from "../../../src/supervisor/host-services.ts";
import { tempDir } from "../../support/temp-dir.ts";

const loaded = loadConfig({ flags: { dataDir: "/nowhere/data" }, environment: { HOME: "/nowhere" } });
const config = {
  ...loaded,
  docker: { ...loaded.docker, images: ["mine:1"], networks: ["lab"], volumes: ["cache"], security_opts: ["label=x"] },
};
const guard = { home: "/nowhere", dataDir: "/nowhere/data", own: [] };
const ask = (more: object = {}) => SessionRequest.parse({ agent: "claude", prompt: "x", ...more });

describe("what an operator does not list is refused:", () => {
  test.each([
    ["an image", { container: { image: "other:1" } }, "docker.images"],
    ["a network", { container: { network: "host" } }, "docker.networks"],
    ["a security option", { container: { security_opt: ["seccomp=unconfined"] } }, "docker.security_opts"],
    ["more memory", { container: { memory: "64g" } }, "docker.memory"],
    ["more processors", { container: { cpus: 64 } }, "docker.cpus"],
    ["a volume", { volumes: ["other:/mnt/x"] }, "docker.volumes"],
    ["a volume among mounts", { mounts: [{ host: "other", container: "/mnt/x", type: "volume" }] }, "docker.volumes"],
  ])("%s", async (_, asked, setting) => {
    await expect(containerOf(ask(asked), config, guard)).rejects.toThrow(setting);
  });
});

test("what is listed, and less than there is, is honoured", async () => {
  const asked = ask({
    container: { image: "mine:1", network: "lab", memory: "512m", cpus: "0.5", security_opt: ["label=x"] },
    volumes: ["cache:/mnt/cache:ro"],
  });
  expect(await containerOf(asked, config, guard)).toEqual({
    image: "mine:1",
    network: "lab",
    memory_bytes: 512 * 1024 ** 2,
    cpus: 0.5,
    security_opt: ["label=x"],
    mounts: [{ type: "volume", source: "cache", target: "/mnt/cache", read_only: true }],
  });
});

test("a folder of programs that the daemon runs is mounted to be read, and not to be written", async () => {
  const folder = await tempDir();
  try {
    const programs = { places: [folder.path], path: [] };
    const mounted = (mode: "ro" | "rw") => {
      const mounts = [{ host: folder.path, container: "/mnt/tools", mode }];
      return containerOf(ask({ mounts }), config, { ...guard, programs });
    };
    expect((await mounted("ro")).mounts).toMatchObject([{ source: folder.path, read_only: true }]);
    await expect(mounted("rw")).rejects.toThrow(/programs that agentd runs outside/);
    const remembering = ask({ claude: { memory_path: folder.path } });
    expect((await containerOf(remembering, config, { ...guard, programs })).mounts).toHaveLength(1);
  } finally {
    await folder.remove();
  }
});

test.each(["/", "/proc/x", "/etc", "/run/agentruntime", "/usr", "/workspace", "/home", "/mnt/../etc", "relative"])(
  "no mount lies at %s",
  async (target) => {
    const folder = await tempDir();
    try {
      const mounts = [{ host: folder.path, container: target }];
      await expect(containerOf(ask({ mounts }), config, guard)).rejects.toThrow(/place in the container/);
    } finally {
      await folder.remove();
    }
  },
);

test.each(["/", "/etc", "/proc", "/var/run/docker.sock", "/nowhere/data"])("no mount comes from %s", async (host) => {
  await expect(containerOf(ask({ mounts: [{ host, container: "/mnt/x" }] }), config, guard)).rejects.toThrow();
});

test("a container gets no privilege, no secret and no way out but its network", async () => {
  const options = containerOptions({
    name: "n",
    labels: {},
    container: await containerOf(ask(), config, guard),
    owner: { uid: 1234, gid: 1234 },
    network: { name: "net", subnet: subnetOf("10.231.0.0/29") },
    furnished: furnishedWith({
      socketDir: "/s",
      sidecarDir: "/b",
      privateHome: "/h",
      workDir: undefined,
      passwd: "/p",
      group: "/g",
      authorities: undefined,
      keeperDir: undefined,
      hostDoorsDir: undefined,
      loginDir: undefined,
    }),
    limits: { pids: 10, scratchBytes: 1000 },
    stopSeconds: 20,
  });
  expect(options).toMatchObject({
    User: "1234:1234",
    HostConfig: {
      CapDrop: ["ALL"],
      SecurityOpt: ["no-new-privileges"],
      ReadonlyRootfs: true,
      Privileged: false,
      PidsLimit: 10,
      NetworkMode: "net",
      Dns: ["127.0.0.1"],
    },
  });
  expect(options.HostConfig?.Memory).toBe(options.HostConfig?.MemorySwap);
  expect(Object.keys(options.HostConfig?.Tmpfs ?? {})).toEqual(["/tmp", "/var/tmp", "/workspace"]);
});

test("a session reaches its model's host, what the operator allows, and what it may add", () => {
  const agents = {
    claude: {
      args: [],
      env: {},
      hide_key: false,
      redact: [],
      harness: "claude" as const,
      base_url: "https://Models.Example.com/v1",
    },
  };
  const egress = { ...config.egress, allow: ["a.example.com"], permit: ["*.b.example.com"] };
  const policy = egressOf(ask({ egress: { allow: ["x.b.example.com"] } }), { ...config, agents, egress });
  expect(policy).toEqual({
    mode: "enforce",
    allow: ["models.example.com", "a.example.com", "x.b.example.com"],
    asked: ["x.b.example.com"],
  });
  expect(() => egressOf(ask({ egress: { allow: ["b.example.com"] } }), { ...config, agents, egress })).toThrow(
    "egress.permit",
  );
});

describe("what the operator changes while a session runs holds for it:", () => {
  const egress = { ...config.egress, allow: ["a.example.com"], permit: ["*.b.example.com"] };
  const begun = egressOf(ask({ egress: { allow: ["x.b.example.com"] } }), { ...config, egress });
  const now = (change: Partial<typeof egress>, from: Partial<typeof begun> = begun) =>
    egressNow({ agent: "claude", egress: { ...begun, ...from } }, { ...config, egress: { ...egress, ...change } });

  test("nothing changes where nothing was changed", () => {
    expect(now({})).toEqual(begun);
  });
  test("names come and go with the list, and the mode with it", () => {
    expect(now({ allow: ["c.example.com"], mode: "audit" })).toMatchObject({
      mode: "audit",
      allow: ["api.anthropic.com", "c.example.com", "x.b.example.com"],
    });
  });
  test("what its request added stays as long as it is permitted, and comes back with the permission", () => {
    const without = now({ permit: [] });
    expect(without?.allow).toEqual(["api.anthropic.com", "a.example.com"]);
    expect(now({}, without)?.allow).toEqual(begun.allow);
  });
  test("of a session that an earlier version began, all that is still permitted stays", () => {
    const { asked: _, ...old } = begun;
    const sessions = { agent: "claude", egress: old };
    expect(egressNow(sessions, { ...config, egress })?.allow).toEqual(begun.allow);
    expect(egressNow(sessions, { ...config, egress: config.egress })?.allow).toEqual(["api.anthropic.com"]);
  });
  test("a session without a container has none", () => {
    expect(egressNow({ agent: "claude" }, { ...config, egress })).toBeUndefined();
  });
});

test("a session whose key is hidden has no host of a model on its list", () => {
  const agents = { claude: { args: [], env: {}, hide_key: true, redact: [], harness: "claude" as const } };
  expect(egressOf(ask(), { ...config, agents }).allow).toEqual([]);
});

test("a session reaches those services of the host that it names or has tool servers at, and no other", () => {
  const service = (name: string, port: number) => ({ name, host: "127.0.0.1", port });
  const egress = {
    ...config.egress,
    host_services: [service("tools", 8931), service("cache", 6000), service("other", 7000)],
  };
  const host = hostGateway;
  const of = (request: Parameters<typeof ask>[0]) =>
    egressOf(ask(request), { ...config, egress }).host_services?.map(({ name }) => name);
  const at = (url: string) => ({ mcp_servers: [{ name: "a", url }] });
  expect(of({})).toBeUndefined();
  expect(of({ ...at(`http://${host}:8931/mcp`), egress: { host_services: ["cache"] } })).toEqual(["cache", "tools"]);
  expect(of({ claude: { mcp_json: { mcpServers: { a: { url: `http://${host}:7000/` } } } } })).toEqual(["other"]);
  for (const refused of [at(`http://${host}:22/`), at(`http://${host}/`), { egress: { host_services: ["db"] } }])
    expect(() => of(refused)).toThrow("egress.host_services");
});
