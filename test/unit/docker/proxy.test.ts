/** The proxy's own end and its next beginning, and what counts as one that is up: against an engine that knows one container. */
import { readFile } from "node:fs/promises";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { join } from "node:path";
import { json } from "node:stream/consumers";
import Docker from "dockerode";
import { beforeEach, expect, onTestFinished, test, vi } from "vitest";
import { Names } from "../../../src/runtime/docker/names.ts";
import { Policies } from "../../../src/runtime/docker/policies.ts";
import { EgressProxy } from "../../../src/runtime/docker/proxy.ts";
import { mountedFolders } from "../../../src/runtime/docker/proxy-folders.ts";
import { subnetOf } from "../../../src/runtime/docker/subnets.ts";
import { WayOut } from "../../../src/runtime/docker/way-out.ts";
import { eventually } from "../../support/eventually.ts";
import { tempDir } from "../../support/temp-dir.ts";

/** What was asked of the engine that changes something, in order. */
let acts: string[];
let container: { id: string; isPaused: boolean } | undefined;
/** The removal of its network, which ends when the test says so. */
let removal: { end(): void } | undefined;
let isNeeded: boolean;
/** What ran in its container. */
let commands: string[];
/** With what a command ends, and what it says. */
let outcome: (command: string) => { code: number; said?: string };
const probe = "perl /opt/agentruntime/probe.pl";
const probes = () => commands.filter((command) => command === probe).length;
/** The networks that a container of its was put on, in order. */
let connected: string[];
/** What was told to people. */
let told: string[];

beforeEach(() => {
  isNeeded = true;
  commands = [];
  outcome = () => ({ code: 0 });
  connected = [];
  told = [];
  acts = [];
  container = undefined;
  removal = undefined;
});

function answer(response: ServerResponse, status: number, value?: object): void {
  response.writeHead(status, { "content-type": "application/json" }).end(value ? JSON.stringify(value) : undefined);
}

/** Of an image whose squid reads how it is to go out. */
const Labels = { "agentruntime.way_out": "1" };

/** A command is made, is started, and has ended. */
async function run(request: IncomingMessage, response: ServerResponse, path: string): Promise<void> {
  const [, kind, number, verb] = path.split("/");
  if (kind === "containers") {
    const { Cmd } = (await json(request)) as { Cmd: string[] };
    commands.push(Cmd.join(" "));
    if (container?.isPaused) return answer(response, 409, { message: "it is paused" });
    return answer(response, 201, { Id: String(commands.length - 1) });
  }
  const { code, said = "" } = outcome(commands[Number(number)] ?? "");
  if (verb === "json") return answer(response, 200, { ExitCode: code });
  const head = Buffer.from([1, 0, 0, 0, 0, 0, 0, said.length]);
  response.writeHead(200).end(said === "" ? undefined : Buffer.concat([head, Buffer.from(said)]));
}

function take(request: IncomingMessage, response: ServerResponse): void {
  const { method = "", url = "" } = request;
  const path = url.replace(/\?.*$/, "");
  const missing = { message: "no such container" };
  if (path === "/containers/create") {
    acts.push("create");
    if (container) return answer(response, 409, { message: "the name is taken" });
    container = { id: `c${acts.length}`, isPaused: false };
    return answer(response, 201, { Id: container.id });
  }
  if (method === "DELETE" && path.startsWith("/containers/")) {
    acts.push("remove");
    container = undefined;
    return answer(response, 204);
  }
  if (/^\/containers\/[^/]+\/json$/.test(path)) {
    if (!container) return answer(response, 404, missing);
    const State = { Running: true, Paused: container.isPaused, Status: "running" };
    const Mounts = [{ Destination: "/etc/squid/way-out" }];
    return answer(response, 200, { Id: container.id, State, Mounts, Config: { Labels } });
  }
  if (path.startsWith("/images/")) return answer(response, 200, { Config: { Labels } });
  if (/^\/(containers\/[^/]+\/exec|exec\/.*)$/.test(path)) return void run(request, response, path);
  if (method === "POST" && path.endsWith("/connect")) connected.push(path.split("/")[2] ?? "");
  if (path.endsWith("/logs")) return void response.writeHead(200).flushHeaders();
  if (method === "GET" && path.startsWith("/networks/")) return answer(response, 200, { Name: "n" });
  if (method === "DELETE") {
    acts.push("remove network");
    removal = {
      end: () => {
        acts.push("network removed");
        answer(response, 204);
      },
    };
    return;
  }
  return answer(response, 200, {});
}

async function makeProxy(): Promise<{ proxy: EgressProxy; engine: Docker; wayOut(): Promise<string> }> {
  const folder = await tempDir();
  const server = createServer(take);
  const path = join(folder.path, "sock");
  await new Promise<void>((resolve) => server.listen(path, resolve));
  const engine = new Docker({ socketPath: path });
  const proxy = new EgressProxy({
    engine,
    names: new Names({ dataDir: "/nowhere/data", mark: "mine", machine: "here" }),
    image: "proxy",
    policies: new Policies(join(folder.path, "egress"), async () => undefined),
    wayOut: new WayOut({ folder: join(folder.path, "way-out"), upstream: undefined, deliver: async () => undefined }),
    folders: mountedFolders,
    egressNetwork: undefined,
    deniedSince: 0,
    isNeeded: () => isNeeded,
    onLine: () => undefined,
    onReplaced: () => undefined,
    log: (_, message) => void told.push(message),
  });
  onTestFinished(async () => {
    proxy.close();
    const over = new Promise<void>((resolve) => server.close(() => resolve()));
    server.closeAllConnections();
    await over;
    await folder.remove();
  });
  return { proxy, engine, wayOut: () => readFile(join(folder.path, "way-out", "way-out.conf"), "utf8") };
}

const network = (name: string) => ({ name, subnet: subnetOf("10.1.0.0/29") });

test("a session that begins while the idle proxy is being removed waits for that, and has a new one", async () => {
  const { proxy, engine } = await makeProxy();
  await proxy.attach(network("one"));
  proxy.detach("one");
  const released = proxy.release();
  await eventually(() => removal !== undefined, { what: "the removal" });
  const attached = proxy.attach(network("two"));
  // Whoever does not wait would have made one by then.
  for (let asked = 0; asked < 50; asked++) await engine.ping();
  removal?.end();
  await Promise.all([released, attached]);
  expect(acts).toEqual(["create", "remove", "remove network", "network removed", "create"]);
});

test("a proxy that is paused is none that works, however short a time ago it did: it is replaced", async () => {
  const { proxy } = await makeProxy();
  await proxy.attach(network("one"));
  if (container) container.isPaused = true;
  await proxy.secure(network("one"));
  expect(acts).toEqual(["create", "remove", "create"]);
});

/** The looks at it that are taken while it is needed come when a test says so. */
function takeOverClock(): void {
  vi.useFakeTimers({ toFake: ["setInterval", "clearInterval"] });
  onTestFinished(() => void vi.useRealTimers());
}

test("one that no session needs is not asked whether it works, until there is one", async () => {
  takeOverClock();
  const { proxy } = await makeProxy();
  await proxy.attach(network("ready"));
  const before = probes();
  isNeeded = false;
  vi.advanceTimersByTime(60_000);
  isNeeded = true;
  vi.advanceTimersByTime(5_000);
  await eventually(() => probes() > before, { what: "a look at it" });
  expect(probes()).toBe(before + 1);
});

test("one that runs and twice lets no request through is replaced, and the new one is on the same networks", async () => {
  takeOverClock();
  const { proxy } = await makeProxy();
  await proxy.attach(network("one"));
  await proxy.attach(network("two"));
  const first = container?.id;
  const asked = probes();
  connected = [];
  outcome = () => ({ code: container?.id === first ? 1 : 0 });
  vi.advanceTimersByTime(5_000);
  await eventually(() => container !== undefined && container.id !== first && probes() > asked + 2, {
    what: "another proxy that works",
  });
  expect(acts).toEqual(["create", "remove", "create"]);
  expect(connected).toEqual(["one", "two"]);
  expect(probes()).toBe(asked + 3);
  expect(told).toEqual(["the proxy does not work and is replaced"]);
});

test("one late answer replaces no proxy: it would cut every tunnel", async () => {
  takeOverClock();
  const { proxy } = await makeProxy();
  await proxy.attach(network("one"));
  const asked = probes();
  outcome = () => ({ code: probes() === asked + 1 ? 1 : 0 });
  vi.advanceTimersByTime(5_000);
  await eventually(() => probes() === asked + 2, { what: "the second question" });
  // A session that begins waits for the end of that look.
  await proxy.attach(network("two"));
  expect(acts).toEqual(["create"]);
  expect(connected.at(-1)).toBe("two");
  expect(told).toEqual([]);
});

test("another way out is read anew by the proxy, once it has been checked", async () => {
  const { proxy, wayOut } = await makeProxy();
  await proxy.attach(network("one"));
  const before = commands.length;
  await proxy.changeUpstream("http://proxy.example:8080");
  expect(commands.slice(before)).toEqual(["squid -k parse", "squid -k reconfigure", probe]);
  expect(await wayOut()).toContain("cache_peer proxy.example parent 8080");
});

test.each([
  ["parse", ["squid -k parse"]],
  ["reconfigure", ["squid -k parse", "squid -k reconfigure"]],
])("a way out at which squid -k %s fails is taken back, and whoever asked hears why", async (act, ran) => {
  const { proxy, wayOut } = await makeProxy();
  await proxy.attach(network("one"));
  const [before, asked] = [await wayOut(), commands.length];
  outcome = (command) => (command === `squid -k ${act}` ? { code: 1, said: "FATAL: Bungled line 3" } : { code: 0 });
  await expect(proxy.changeUpstream("http://proxy.example:8080")).rejects.toThrow(
    `squid -k ${act} ended with 1: FATAL: Bungled line 3`,
  );
  expect(commands.slice(asked)).toEqual(ran);
  expect(await wayOut()).toBe(before);
  // What was asked for is forgotten too: a proxy that is made now goes out as before.
  container = undefined;
  await proxy.attach(network("two"));
  expect([acts, await wayOut()]).toEqual([["create", "create"], before]);
});
