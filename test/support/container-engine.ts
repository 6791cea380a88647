/** As much of a Docker engine as sessions' containers, their networks and their proxy need. Its containers are no processes. */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { Duplex } from "node:stream";

export interface FakeContainer {
  Id: string;
  name: string;
  Labels: Record<string, string>;
  isRunning: boolean;
  /** Its stdin and stdout. */
  stream?: Duplex;
}

interface FakeNetwork {
  Name: string;
  Labels: Record<string, string>;
  IPAM: { Config: { Subnet: string }[] };
  Containers: Record<string, object>;
}

export interface ContainerEngine {
  /** For `docker.host`. */
  host: string;
  containers: Map<string, FakeContainer>;
  networks: Map<string, FakeNetwork>;
  /** Whether it says that it cannot: an act is such as `DELETE containers NAME`. */
  refuses(act: string, container?: FakeContainer): boolean;
  /** Called when one has started. */
  onStart(container: FakeContainer): void;
  /** What a sidecar says to its bootstrap; nothing where it is undefined. */
  answer(container: FakeContainer): object | undefined;
  stop(): Promise<void>;
}

const bound = { ok: true, protocol: 1, pid: 1, address: "s" };

export async function startContainerEngine(socketPath: string): Promise<ContainerEngine> {
  const containers: ContainerEngine["containers"] = new Map();
  const networks: ContainerEngine["networks"] = new Map();
  const server = createServer((request, response) => {
    respond(engine, request, response).catch((error: unknown) => say(response, 500, { message: String(error) }));
  });
  server.on("upgrade", ({ url = "" }, stream) => attach(engine, url.split("/")[2] ?? "", stream));
  await new Promise<void>((resolve) => server.listen(socketPath, resolve));
  const engine: ContainerEngine = {
    host: `unix://${socketPath}`,
    containers,
    networks,
    refuses: () => false,
    onStart: () => undefined,
    answer: () => bound,
    stop: async () => {
      const over = new Promise((resolve) => server.close(resolve));
      for (const { stream } of containers.values()) stream?.destroy();
      server.closeAllConnections();
      await over;
    },
  };
  return engine;
}

/** Its streams end, and it is one that has exited. */
export function end(container: FakeContainer): void {
  container.isRunning = false;
  container.stream?.end();
}

function attach(engine: ContainerEngine, id: string, stream: Duplex): void {
  const container = find(engine, id);
  if (!container) return void stream.destroy();
  container.stream = stream;
  stream.write("HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n");
  stream.on("error", () => undefined);
  stream.on("data", () => {
    const answer = engine.answer(container);
    if (!answer) return;
    const text = Buffer.from(`${JSON.stringify(answer)}\n`);
    const head = Buffer.from([1, 0, 0, 0, 0, 0, 0, 0]);
    head.writeUInt32BE(text.length, 4);
    stream.write(Buffer.concat([head, text]));
  });
}

function find({ containers }: ContainerEngine, key: string): FakeContainer | undefined {
  return containers.get(key) ?? [...containers.values()].find(({ name }) => name === key);
}

async function respond(engine: ContainerEngine, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { pathname, searchParams } = new URL(request.url ?? "/", "http://engine");
  const [, kind = "", key = "", verb = ""] = pathname.split("/");
  const container = kind === "containers" ? find(engine, key) : undefined;
  const act = [request.method, kind, container?.name ?? key, verb].filter(Boolean).join(" ");
  const body = (await bodyOf(request)) as Record<string, never>;
  if (engine.refuses(act, container)) return say(response, 500, { message: `cannot ${act}` });
  if (pathname === "/version") return say(response, 200, { Os: "linux", ApiVersion: "1.41", Arch });
  if (pathname === "/events") return void response.writeHead(200).flushHeaders();
  if (kind === "images") return say(response, 200, { Id: "sha256:image", Os: "linux", Architecture: Arch });
  if (kind === "exec") return say(response, 200, verb === "json" ? { ExitCode: 0 } : {});
  if (kind === "volumes") return say(response, 200, { Volumes: [] });
  if (kind === "containers") return ofContainers(engine, { container, act, key, verb, searchParams, body }, response);
  if (kind === "networks") return ofNetworks(engine, { act, key, verb, searchParams, body }, response);
  return say(response, 501, { message: `no answer to ${act}` });
}

const Arch = "amd64";

interface Asked {
  act: string;
  key: string;
  verb: string;
  searchParams: URLSearchParams;
  body: Record<string, never>;
}

function ofContainers(
  engine: ContainerEngine,
  { container, act, key, verb, searchParams, body }: Asked & { container: FakeContainer | undefined },
  response: ServerResponse,
): void {
  const { containers, networks } = engine;
  if (key === "json") return say(response, 200, [...containers.values()].filter(isAsked(searchParams)).map(listed));
  if (key === "create") {
    const name = searchParams.get("name") ?? "";
    if (find(engine, name)) return say(response, 409, { message: `the name "${name}" is taken` });
    const made = { Id: `id${count++}`, name, Labels: body["Labels"] ?? {}, isRunning: false };
    containers.set(made.Id, made);
    return say(response, 201, { Id: made.Id });
  }
  if (!container) return say(response, 404, { message: `no such container: ${key}` });
  if (act.startsWith("DELETE")) {
    containers.delete(container.Id);
    for (const { Containers } of networks.values()) delete Containers[container.Id];
    end(container);
    return say(response, 204);
  }
  if (verb === "start") {
    container.isRunning = true;
    say(response, 204);
    return engine.onStart(container);
  }
  if (verb === "rename") {
    container.name = searchParams.get("name") ?? "";
    return say(response, 204);
  }
  if (verb === "exec") return say(response, 201, { Id: "e" });
  if (verb === "logs") return void (searchParams.get("follow") === "true" ? response.flushHeaders() : response.end());
  return say(response, 200, {
    Id: container.Id,
    Name: `/${container.name}`,
    State: { Running: container.isRunning, Paused: false, Status: container.isRunning ? "running" : "exited" },
    Mounts: [],
    HostConfig: {},
    Config: { Labels: container.Labels },
    NetworkSettings: { Networks: {} },
  });
}

let count = 0;

function ofNetworks(
  { networks }: ContainerEngine,
  { act, key, verb, searchParams, body }: Asked,
  response: ServerResponse,
): void {
  if (key === "" || act === "GET networks")
    return say(response, 200, [...networks.values()].filter(isAsked(searchParams)));
  if (key === "create") {
    const { Name, Labels = {}, IPAM = { Config: [] } } = body as Partial<FakeNetwork>;
    networks.set(Name ?? "", { Name: Name ?? "", Labels, IPAM, Containers: {} });
    return say(response, 201, { Id: Name });
  }
  const network = networks.get(key);
  if (!network) return say(response, 404, { message: `no such network: ${key}` });
  if (act.startsWith("DELETE")) {
    networks.delete(key);
    return say(response, 204);
  }
  const id = String(body["Container"]);
  if (verb === "connect") network.Containers[id] = {};
  if (verb === "disconnect") delete network.Containers[id];
  return say(response, 200, verb === "" ? network : {});
}

function isAsked(asked: URLSearchParams): (one: { Labels: Record<string, string> }) => boolean {
  const { label = [] } = JSON.parse(asked.get("filters") ?? "{}") as { label?: string[] };
  return ({ Labels }) =>
    label.every((one) => {
      const [key = "", value] = one.split(/=(.*)/s);
      return Labels[key] === value;
    });
}

function listed({ Id, name, Labels, isRunning }: FakeContainer): object {
  return { Id, Names: [`/${name}`], Labels, State: isRunning ? "running" : "exited" };
}

function say(response: ServerResponse, status: number, value?: object): void {
  response.writeHead(status, { "content-type": "application/json" }).end(value ? JSON.stringify(value) : undefined);
}

async function bodyOf(request: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  const text = Buffer.concat(chunks).toString();
  return text.startsWith("{") ? JSON.parse(text) : {};
}
