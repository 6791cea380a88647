/** How a session in a container, and a container alone, are started to be measured. */
import { randomUUID } from "node:crypto";
import { PassThrough } from "node:stream";
import type Docker from "dockerode";
import { execa } from "execa";
import type { Daemon } from "../support/start-daemon.ts";

const agentImage = "agentruntime-agent:latest";
/** Says a word as soon as it runs, and waits for its end. */
export const script = "echo hello; cat";
/** As the sidecar is started. */
export const nodeAlone = [
  ...["/usr/bin/tini", "--", "/opt/agentruntime/loader", "/usr/local/bin/node"],
  ...["-e", "console.log('hello')"],
];
export const shellAgent = { harness: "generic", command: "sh", args: ["-c", script] };

/** Starts a session that stays: without one the proxy goes in the end, and the next start would make it anew. */
export async function holdProxy(daemon: Daemon): Promise<void> {
  const { status, text } = await daemon.post("/sessions", { agent: "first", prompt: "go", interactive: true });
  if (status !== 201) throw new Error(`Cannot start a session: ${text}`);
}

/** Resolves when a client has the agent's first word. */
export async function firstEventOf(daemon: Daemon, sessionId: string): Promise<void> {
  const client = await daemon.ws(sessionId, 0);
  await new Promise<void>((resolve) => {
    const look = () => {
      if (client.events.some(({ type }) => type === "stdout")) resolve();
    };
    client.socket.on("message", look);
    look();
  });
  await client.close();
}

/** The image as it is, told by hand what to run: its sidecar, until it says where it listens. */
export const ownProgram = "the image's own program";

/** `docker run` itself, of the image as it is: until its sidecar says where it listens. Undefined where there is no such program. */
export async function runByCommand(dockerHost: string): Promise<{ remove: () => Promise<unknown> } | undefined> {
  const name = `bench-${randomUUID()}`;
  const limits =
    "--cap-drop ALL --security-opt no-new-privileges --read-only --tmpfs /tmp --memory 256m --memory-swap 256m";
  const docker = (...args: string[]) =>
    execa("docker", args, { env: { DOCKER_HOST: dockerHost }, buffer: false, reject: false, stdin: "pipe" });
  const child = docker(
    ...["run", "--rm", "--interactive", "--name", name, "--user", "1000:1000", ...limits.split(" ")],
    ...["--env", `AGENT_CMD=${JSON.stringify(["sh", "-c", script])}`, agentImage],
  );
  const hasBegun = await Promise.race([
    new Promise<boolean>((resolve) => child.stderr.once("data", () => resolve(true))),
    child.then(() => false),
  ]);
  const remove = async () => {
    await docker("rm", "--force", name);
    await child;
  };
  return hasBegun ? { remove } : undefined;
}

/** As `docker run` would: create, attach, start, to the first byte; the limits of a session, the engine's own network. */
export async function runAlone(
  engine: Docker,
  command: readonly string[] | typeof ownProgram,
): Promise<Docker.Container> {
  const what =
    command === ownProgram
      ? { Env: [`AGENT_CMD=${JSON.stringify(["sh", "-c", script])}`], HostConfig: { Tmpfs: { "/tmp": "" } } }
      : { Entrypoint: [...command] };
  const container = await engine.createContainer({
    Image: agentImage,
    ...what,
    User: "1000:1000",
    OpenStdin: true,
    HostConfig: {
      ...what.HostConfig,
      CapDrop: ["ALL"],
      SecurityOpt: ["no-new-privileges"],
      ReadonlyRootfs: true,
      Memory: 256 * 1024 ** 2,
      MemorySwap: 256 * 1024 ** 2,
    },
  });
  try {
    const stream = await container.attach({ stream: true, stdin: true, stdout: true, stderr: true, hijack: true });
    const out = new PassThrough();
    container.modem.demuxStream(stream, out, out);
    const word = new Promise((resolve) => out.once("data", resolve));
    await container.start();
    await word;
    return container;
  } catch (error) {
    await container.remove({ force: true });
    throw error;
  }
}
