/** Starts a container, hands its sidecar the bootstrap on stdin, and reads the answer on stdout. */
import { PassThrough } from "node:stream";
import type Docker from "dockerode";
import type { Bootstrap, BootstrapAnswer } from "../../protocol/bootstrap.ts";
import { AgentdError } from "../../protocol/error.ts";
import { readAnswer } from "../answer.ts";
import type { Engine } from "./engine.ts";

const tailBytes = 4096;

/** A container that was made, and whose stdin and stdout are ours. */
export interface OpenContainer {
  readonly container: Docker.Container;
  /** Resolves when its stdout has ended, or the way to it broke. */
  readonly ended: Promise<void>;
  /**
   * Resolves when its sidecar has taken the bootstrap. Rejects with an Error whose message carries the end of the sidecar's
   * stderr; the container may be there then.
   */
  tell(bootstrap: Bootstrap, timeoutMs: number): Promise<void>;
  /** Ends its stdin: a sidecar that was told nothing by then ends. */
  hangUp(): void;
}

export async function openContainer(engine: Engine, options: Docker.ContainerCreateOptions): Promise<OpenContainer> {
  const container = await engine.createContainer(options);
  const stream = await container.attach({ stream: true, stdin: true, stdout: true, stderr: true, hijack: true });
  // It ended before it read its bootstrap; its missing answer says so.
  stream.on("error", () => undefined);
  const out = new PassThrough();
  const err = new PassThrough();
  let tail = "";
  err.on("data", (chunk) => {
    tail = (tail + String(chunk)).slice(-tailBytes);
  });
  container.modem.demuxStream(stream, out, err);
  const ended = new Promise<void>((resolve) => {
    stream.on("end", resolve).on("close", resolve);
  });
  void ended.then(() => out.end());
  return {
    container,
    ended,
    tell: async (bootstrap, timeoutMs) => {
      try {
        stream.write(`${JSON.stringify(bootstrap)}\n`);
        const answer: BootstrapAnswer = await readAnswer(out, timeoutMs);
        if (!answer.ok) throw new Error(answer.error);
      } catch (error) {
        if (tail.trim() === "" || error instanceof AgentdError) throw error;
        throw new Error(`${error instanceof Error ? error.message : String(error)}. It said: ${tail.trim()}`, {
          cause: error,
        });
      }
    },
    hangUp: () => {
      if ("destroy" in stream && typeof stream.destroy === "function") stream.destroy();
    },
  };
}

/** The sidecar comes up while its way out is made, and hears what it is for when that is there (`guarded`). Rejects as `tell` does. */
export async function startContainer(
  engine: Engine,
  options: Docker.ContainerCreateOptions,
  start: { bootstrap: Bootstrap; guarded: Promise<void>; launchTimeoutMs: number },
): Promise<Docker.Container> {
  // Whoever called hears of it below, or by what failed before.
  start.guarded.catch(() => undefined);
  const opened = await openContainer(engine, options);
  try {
    // Also when one fails: whoever sweeps must not meet a container that is being started.
    const parts = [opened.container.start(), start.guarded];
    await Promise.allSettled(parts);
    await Promise.all(parts);
    await opened.tell(start.bootstrap, start.launchTimeoutMs);
    return opened.container;
  } finally {
    // Not before the answer: with its last attachment gone, its stdin ends.
    opened.hangUp();
  }
}
