/**
 * A connection to a sidecar whose socket lies on another machine: a command in its container passes bytes between the socket
 * and the engine's stream. The container's user could put something else in its place, as with the socket itself: both ends
 * prove to each other who they are.
 */
import { Duplex, Transform, type TransformCallback } from "node:stream";
import { AgentdError } from "../../protocol/error.ts";
import { type Engine, engineFault } from "./engine.ts";

/** It ends by itself when nothing is left to wait for. */
const script =
  'const s=require("net").connect(process.argv[1]);s.on("error",(e)=>console.error(e.message)).on("close",()=>process.stdin.destroy());process.stdin.pipe(s).pipe(process.stdout)';
const errorBytesMax = 500;
/** Less than the link gives a connection: that an engine is silent must be told apart from a sidecar that is. */
const startMs = 8_000;

/**
 * Rejects when the engine does not start it, with `runtime_unavailable` when it does not answer; what the command finds wrong is
 * the error of the stream.
 */
export async function connectByExec(
  engine: Engine,
  { containerId, socketPath }: { containerId: string; socketPath: string },
): Promise<Duplex> {
  const stream = await startJoin(engine, { containerId, socketPath });
  const frames = new Frames();
  stream.pipe(frames);
  const door = Duplex.from({ readable: frames, writable: stream });
  // Whoever uses it hears of its faults; when nobody does any more, there is nothing to be done about them.
  door.on("error", () => undefined);
  frames.on("error", () => undefined);
  stream.on("error", (error) => door.destroy(error)).on("close", () => frames.end());
  door.on("close", () => stream.destroy());
  return asSocket(door);
}

async function startJoin(
  engine: Engine,
  { containerId, socketPath }: { containerId: string; socketPath: string },
): Promise<Duplex> {
  const act = `reach the sidecar in container "${containerId.slice(0, 12)}"`;
  const abortSignal = AbortSignal.timeout(startMs);
  try {
    const exec = await engine.getContainer(containerId).exec({
      Cmd: ["/usr/local/bin/node", "-e", script, socketPath],
      AttachStdin: true,
      AttachStdout: true,
      AttachStderr: true,
      abortSignal,
    });
    return await exec.start({ hijack: true, stdin: true, abortSignal });
  } catch (error) {
    if (!abortSignal.aborted) throw engineFault(error, act);
    throw new AgentdError(
      "runtime_unavailable",
      `Cannot ${act}: the Docker engine did not answer within ${startMs / 1000} s. It is tried again`,
      { cause: error },
    );
  }
}

/**
 * What comes on stdout, out of the engine's frames of eight bytes of header each; what comes on stderr is the error in the
 * end. It reads no faster than it is read.
 */
class Frames extends Transform {
  #header = Buffer.alloc(0);
  #left = 0;
  #isError = false;
  #fault = "";

  override _transform(chunk: Buffer, _: BufferEncoding, done: TransformCallback): void {
    for (let rest = chunk; rest.length > 0; ) {
      if (this.#left === 0) {
        const missing = 8 - this.#header.length;
        this.#header = Buffer.concat([this.#header, rest.subarray(0, missing)]);
        rest = rest.subarray(missing);
        if (this.#header.length < 8) break;
        this.#isError = this.#header[0] === 2;
        this.#left = this.#header.readUInt32BE(4);
        this.#header = Buffer.alloc(0);
        continue;
      }
      const part = rest.subarray(0, this.#left);
      this.#left -= part.length;
      rest = rest.subarray(part.length);
      if (this.#isError) this.#fault = (this.#fault + part.toString("utf8")).slice(0, errorBytesMax);
      else this.push(part);
    }
    done();
  }

  override _flush(done: TransformCallback): void {
    done(this.#fault === "" ? null : new Error(this.#fault.trim()));
  }
}

/** What Node's HTTP client does to every connection, and a stream knows nothing of. */
function asSocket(door: Duplex): Duplex {
  const nothing = () => door;
  return Object.assign(door, {
    setTimeout: nothing,
    setNoDelay: nothing,
    setKeepAlive: nothing,
    ref: nothing,
    unref: nothing,
  });
}
