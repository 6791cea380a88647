/**
 * What a session in a container costs beside the container itself: its start, its memory, a request through the proxy.
 * Needs a Docker engine with the images of this build; without one there are no figures.
 */
import { performance } from "node:perf_hooks";
import { setTimeout as pause } from "node:timers/promises";
import { agentdContainers, dockerHost, engine } from "../../support/docker-world.ts";
import { type Daemon, startDaemon } from "../../support/start-daemon.ts";
import {
  firstEventOf,
  holdProxy,
  nodeAlone,
  ownProgram,
  runAlone,
  runByCommand,
  script,
  shellAgent,
} from "../container-starts.ts";
import { percentile } from "../process-figures.ts";
import { proxyCost } from "../proxy-cost.ts";
import type { Figure } from "../row.ts";

const starts = 7;
const atOnce = 60;
/** In this time what is kept ready for the next start is made. */
const apartMs = 2_000;

export async function containers(): Promise<Figure[]> {
  const isThere = await engine.ping().then(
    () => true,
    () => false,
  );
  if (!isThere) return [];
  return [...(await costOfSessions()), ...(await proxyCost())];
}

async function costOfSessions(): Promise<Figure[]> {
  const daemon = await begin(0);
  const readyDaemon = await begin(1);
  try {
    const { own, ready, sh, node, image, command } = await measureStarts(daemon, readyDaemon);
    await readyDaemon.stop();
    const most = { atMost: 150 };
    return [
      { name: "POST to the first event, in a container, p50", value: own, unit: "ms" },
      { name: "the same in a container that was ready, p50", value: ready, unit: "ms" },
      { name: "a container of that image that runs sh, to its first word, p50", value: sh, unit: "ms" },
      { name: "one that runs Node as the sidecar does, p50", value: node, unit: "ms" },
      { name: "one that runs the image's own sidecar, until it listens", value: image, unit: "ms" },
      { name: "what the daemon adds to that image alone", value: own - image, unit: "ms" },
      ...(Number.isNaN(command)
        ? []
        : [
            { name: "`docker run` of the image, until its sidecar listens", value: command, unit: "ms" },
            { name: "what the daemon adds to `docker run`", value: own - command, unit: "ms", target: most },
          ]),
      { name: "… to Node alone in that image", value: own - node, unit: "ms" },
      { name: "… with a container that was ready, to Node alone", value: ready - node, unit: "ms", target: most },
      ...(await startMany(daemon)),
    ];
  } finally {
    await Promise.all([daemon.stop(), readyDaemon.stop()]);
  }
}

async function begin(ready_containers: number): Promise<Daemon> {
  const daemon = await startDaemon({
    config: {
      runtime: "docker",
      agents: { first: shellAgent },
      docker: { host: dockerHost, memory: "256m", ready_containers },
      limits: { launch_timeout: "180s" },
    },
  });
  await holdProxy(daemon);
  return daemon;
}

const kinds = ["own", "ready", "sh", "node", "image", "command"] as const;
type Kind = (typeof kinds)[number];

/** In turns, so that whatever else the machine does is in all of them; medians. */
async function measureStarts(daemon: Daemon, readyDaemon: Daemon) {
  const taken = Object.fromEntries(kinds.map((kind) => [kind, [] as number[]])) as Record<Kind, number[]>;
  for (let i = 0; i <= starts; i++) {
    const all = {
      own: await startOne(daemon),
      ready: await startOne(readyDaemon),
      sh: await startAlone(["sh", "-c", script]),
      node: await startAlone(nodeAlone),
      image: await startAlone(ownProgram),
      command: await startByCommand(),
    };
    // The first round is for caches.
    if (i > 0) for (const kind of kinds) taken[kind].push(all[kind]);
  }
  return Object.fromEntries(kinds.map((kind) => [kind, percentile(taken[kind], 0.5)])) as Record<Kind, number>;
}

async function startOne(daemon: Daemon): Promise<number> {
  await pause(apartMs);
  const start = performance.now();
  const id = await create(daemon);
  await firstEventOf(daemon, id);
  const taken = performance.now() - start;
  await daemon.delete(`/sessions/${id}`);
  return taken;
}

async function create(daemon: Daemon): Promise<string> {
  const { body, text } = await daemon.post("/sessions", { agent: "first", prompt: "go", interactive: true });
  if (!body?.session_id) throw new Error(`Cannot start a session: ${text}`);
  return body.session_id;
}

async function startAlone(command: Parameters<typeof runAlone>[1]): Promise<number> {
  await pause(apartMs);
  const start = performance.now();
  const container = await runAlone(engine, command);
  const taken = performance.now() - start;
  await container.remove({ force: true });
  return taken;
}

/** NaN where there is no `docker`. */
async function startByCommand(): Promise<number> {
  await pause(apartMs);
  const start = performance.now();
  const container = await runByCommand(dockerHost);
  const taken = performance.now() - start;
  await container?.remove();
  return container ? taken : Number.NaN;
}

async function startMany(daemon: Daemon): Promise<Figure[]> {
  const start = performance.now();
  const ids = await Promise.all(Array.from({ length: atOnce }, () => create(daemon)));
  await Promise.all(ids.map((id) => firstEventOf(daemon, id)));
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
