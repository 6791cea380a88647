/**
 * What a session in a container costs beside the container itself: its start, its memory, a request through the proxy.
 * Needs a Docker engine with the images of this build; without one there are no figures.
 */
import { performance } from "node:perf_hooks";
import { PassThrough } from "node:stream";
import { setTimeout as pause } from "node:timers/promises";
import type Docker from "dockerode";
import { agentdContainers, dockerHost, engine } from "../../support/docker-world.ts";
import { type Daemon, startDaemon } from "../../support/start-daemon.ts";
import { percentile } from "../process-figures.ts";
import { proxyCost } from "../proxy-cost.ts";
import type { Figure } from "../row.ts";

const starts = 7;
const atOnce = 60;
const apartMs = 1_500;
const image = "agentruntime-agent:latest";
/** Says a word as soon as it runs, and waits for its end. */
const script = "echo hello; cat";

export async function containers(): Promise<Figure[]> {
  const isThere = await engine.ping().then(
    () => true,
    () => false,
  );
  if (!isThere) return [];
  return [...(await costOfSessions()), ...(await proxyCost())];
}

async function costOfSessions(): Promise<Figure[]> {
  const daemon = await startDaemon({
    config: {
      runtime: "docker",
      agents: { first: { harness: "generic", command: "sh", args: ["-c", script] } },
      docker: { host: dockerHost, memory: "256m" },
      limits: { launch_timeout: "180s" },
    },
  });
  try {
    const { sessions, bare, withNode } = await measureStarts(daemon);
    const many = await startMany(daemon);
    const [own, plain] = [percentile(sessions, 0.5), percentile(withNode, 0.5)];
    return [
      { name: "POST to the first event, in a container, p50", value: own, unit: "ms" },
      {
        name: "a container of that image that runs sh, to its first word, p50",
        value: percentile(bare, 0.5),
        unit: "ms",
      },
      { name: "one that runs Node as the sidecar does, p50", value: plain, unit: "ms" },
      { name: "what the daemon adds to that one", value: own - plain, unit: "ms", target: { atMost: 150 } },
      ...many,
    ];
  } finally {
    await daemon.stop();
  }
}

/** In turns, so that whatever else the machine does is in all of them. */
async function measureStarts(daemon: Daemon) {
  const sessions: number[] = [];
  const bare: number[] = [];
  const withNode: number[] = [];
  for (let i = 0; i <= starts; i++) {
    await pause(apartMs);
    const taken = await startOne(daemon);
    await pause(apartMs);
    const alone = await runAlone(["sh", "-c", script]);
    await pause(apartMs);
    const node = ["/opt/agentruntime/loader", "/usr/local/bin/node", "-e", "console.log('hello')"];
    const besides = await runAlone(["/usr/bin/tini", "--", ...node]);
    // The first one makes the proxy.
    if (i === 0) continue;
    sessions.push(taken);
    bare.push(alone);
    withNode.push(besides);
  }
  return { sessions, bare, withNode };
}

async function startOne(daemon: Daemon): Promise<number> {
  const start = performance.now();
  const id = await create(daemon);
  await firstEvent(daemon, id);
  const taken = performance.now() - start;
  await daemon.delete(`/sessions/${id}`);
  return taken;
}

async function create(daemon: Daemon): Promise<string> {
  const { body, text } = await daemon.post("/sessions", { agent: "first", prompt: "go", interactive: true });
  if (!body?.session_id) throw new Error(`Cannot start a session: ${text}`);
  return body.session_id;
}

async function firstEvent(daemon: Daemon, id: string): Promise<void> {
  const client = await daemon.ws(id, 0);
  await new Promise<void>((resolve) => {
    const look = () => {
      if (client.events.some(({ type }) => type === "stdout")) resolve();
    };
    client.socket.on("message", look);
    look();
  });
  await client.close();
}

/** As `docker run` would: create, attach, start, to the first byte; the limits of a session, a network of none. */
async function runAlone(command: readonly string[]): Promise<number> {
  const start = performance.now();
  const container = await engine.createContainer({
    Image: image,
    Entrypoint: [...command],
    User: "1000:1000",
    OpenStdin: true,
    HostConfig: {
      CapDrop: ["ALL"],
      SecurityOpt: ["no-new-privileges"],
      ReadonlyRootfs: true,
      Memory: 256 * 1024 ** 2,
      MemorySwap: 256 * 1024 ** 2,
    },
  });
  try {
    await firstByte(container);
    return performance.now() - start;
  } finally {
    await container.remove({ force: true });
  }
}

async function firstByte(container: Docker.Container): Promise<void> {
  const stream = await container.attach({ stream: true, stdin: true, stdout: true, stderr: true, hijack: true });
  const out = new PassThrough();
  container.modem.demuxStream(stream, out, out);
  const word = new Promise((resolve) => out.once("data", resolve));
  await container.start();
  await word;
}

async function startMany(daemon: Daemon): Promise<Figure[]> {
  const start = performance.now();
  const ids = await Promise.all(Array.from({ length: atOnce }, () => create(daemon)));
  await Promise.all(ids.map((id) => firstEvent(daemon, id)));
  const seconds = (performance.now() - start) / 1000;
  const used = await Promise.all(ids.map(memoryOf));
  const ended = performance.now();
  await Promise.all(ids.map((id) => daemon.delete(`/sessions/${id}`)));
  return [
    { name: `${atOnce} sessions at once, all with their first event`, value: seconds, unit: "s" },
    { name: "memory of a session's container with an idle shell, p50", value: percentile(used, 0.5), unit: "MiB" },
    { name: `${atOnce} sessions ended`, value: (performance.now() - ended) / 1000, unit: "s" },
  ];
}

async function memoryOf(sessionId: string): Promise<number> {
  const [container] = await agentdContainers(sessionId);
  const { memory_stats } = await engine.getContainer(container?.Id ?? "").stats({ stream: false, "one-shot": true });
  return (memory_stats.usage - (memory_stats.stats?.["total_inactive_file"] ?? 0)) / 1024 ** 2;
}
