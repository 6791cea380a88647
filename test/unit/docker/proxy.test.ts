/** The proxy's own end and its next beginning, and what counts as one that is up: against an engine that knows one container. */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { join } from "node:path";
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
/** How often it was asked whether it lets requests through. */
let probes: number;

beforeEach(() => {
  isNeeded = true;
  probes = 0;
  acts = [];
  container = undefined;
  removal = undefined;
});

function answer(response: ServerResponse, status: number, value?: object): void {
  response.writeHead(status, { "content-type": "application/json" }).end(value ? JSON.stringify(value) : undefined);
}

function take({ method = "", url = "" }: IncomingMessage, response: ServerResponse): void {
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
    return answer(response, 200, { Id: container.id, State, Mounts: [], Config: { Labels: {} } });
  }
  if (/^\/containers\/[^/]+\/exec$/.test(path)) {
    probes += 1;
    return container?.isPaused
      ? answer(response, 409, { message: "it is paused" })
      : answer(response, 201, { Id: "e" });
  }
  if (path === "/exec/e/json") return answer(response, 200, { ExitCode: 0 });
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

async function makeProxy(): Promise<{ proxy: EgressProxy; engine: Docker }> {
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
    log: () => undefined,
  });
  onTestFinished(async () => {
    proxy.close();
    const over = new Promise<void>((resolve) => server.close(() => resolve()));
    server.closeAllConnections();
    await over;
    await folder.remove();
  });
  return { proxy, engine };
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

test("one that no session needs is not asked whether it works, until there is one", async () => {
  vi.useFakeTimers({ toFake: ["setInterval", "clearInterval"] });
  onTestFinished(() => void vi.useRealTimers());
  const { proxy } = await makeProxy();
  await proxy.attach(network("ready"));
  const before = probes;
  isNeeded = false;
  vi.advanceTimersByTime(60_000);
  isNeeded = true;
  vi.advanceTimersByTime(5_000);
  await eventually(() => probes > before, { what: "a look at it" });
  expect(probes).toBe(before + 1);
});
