/** Starts a container, hands its sidecar the bootstrap on stdin, and reads the answer on stdout. */
import { PassThrough } from "node:stream";
import type Docker from "dockerode";
import type { Bootstrap, BootstrapAnswer } from "../../protocol/bootstrap.ts";
import { AgentdError } from "../../protocol/error.ts";
import { readAnswer } from "../answer.ts";
import type { Engine } from "./engine.ts";

const tailBytes = 4096;

/**
 * The sidecar comes up while its way out is made, and hears what it is for when that is there (`guarded`). Rejects with an
 * Error whose message carries the end of the sidecar's stderr; the container may be there then.
 */
export async function startContainer(
  engine: Engine,
  options: Docker.ContainerCreateOptions,
  start: { bootstrap: Bootstrap; guarded: Promise<void>; launchTimeoutMs: number },
): Promise<Docker.Container> {
  // Whoever called hears of it below, or by what failed before.
  start.guarded.catch(() => undefined);
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
  stream.on("end", () => out.end()).on("close", () => out.end());
  try {
    // Also when one fails: whoever sweeps must not meet a container that is being started.
    const parts = [container.start(), start.guarded];
    await Promise.allSettled(parts);
    await Promise.all(parts);
    stream.write(`${JSON.stringify(start.bootstrap)}\n`);
    const answer: BootstrapAnswer = await readAnswer(out, start.launchTimeoutMs);
    if (!answer.ok) throw new Error(answer.error);
    return container;
  } catch (error) {
    if (tail.trim() === "" || error instanceof AgentdError) throw error;
    throw new Error(`${error instanceof Error ? error.message : String(error)}. It said: ${tail.trim()}`, {
      cause: error,
    });
  } finally {
    // Not before the answer: with its last attachment gone, its stdin ends.
    if ("destroy" in stream && typeof stream.destroy === "function") stream.destroy();
  }
}
