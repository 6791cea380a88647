/**
 * Connections to an engine by the machine's own `ssh`, which knows keys, hosts and jumps already: each is a `docker system
 * dial-stdio` over there, as the docker command does it.
 */
import { type ChildProcessByStdio, spawn } from "node:child_process";
import { Agent } from "node:http";
import { Socket } from "node:net";
import { Duplex, type Readable, type Writable } from "node:stream";

type Ssh = ChildProcessByStdio<Writable, Readable, Readable>;

/** Those that nobody uses are kept for the next request: making one takes half a second. */
const freeMax = 2;
const connectSeconds = 15;
const errorBytesMax = 500;

/** Without a word to the other side each would learn of a line that is cut only when it has something to say. */
const aliveSeconds = 15;
const aliveMax = 3;

/** `ssh` itself came to no connection, or lost it. */
export class SshFault extends Error {}

export class SshAgent extends Agent {
  readonly #url: URL;
  readonly #environment: Readonly<Record<string, string | undefined>>;

  constructor(url: URL, environment: Readonly<Record<string, string | undefined>>) {
    super({ keepAlive: true, maxFreeSockets: freeMax });
    this.#url = url;
    this.#environment = environment;
  }

  override createConnection(_options: object, done?: (error: Error | null, stream: Duplex) => void): undefined {
    const child = spawn("ssh", sshArguments(this.#url), {
      stdio: ["pipe", "pipe", "pipe"],
      env: { ...this.#environment },
    });
    done?.(null, new Connection(child));
  }
}

/** It asks nobody anything: there is nobody. Pure. */
export function sshArguments({ hostname, port, username }: URL): string[] {
  return [
    ...["-T", "-o", "BatchMode=yes", "-o", `ConnectTimeout=${connectSeconds}`],
    ...["-o", `ServerAliveInterval=${aliveSeconds}`, "-o", `ServerAliveCountMax=${aliveMax}`],
    ...(username === "" ? [] : ["-l", decodeURIComponent(username)]),
    ...(port === "" ? [] : ["-p", port]),
    ...["--", hostname.replace(/^\[|\]$/g, ""), "docker", "system", "dial-stdio"],
  ];
}

/** One of them, with what Node's HTTP client does to a socket. */
class Connection extends Duplex {
  readonly #child: Ssh;
  #fault = "";

  constructor(child: Ssh) {
    super();
    this.#child = child;
    child.stdout.on("data", (chunk) => {
      if (!this.push(chunk)) child.stdout.pause();
    });
    child.stderr.on("data", (chunk) => {
      this.#fault = (this.#fault + String(chunk)).slice(-errorBytesMax);
    });
    // What broke is said by its end, with the reason.
    child.stdin.on("error", () => undefined);
    child.on("error", (error) => this.destroy(error));
    child.on("close", (code) => {
      if (code === 0) this.push(null);
      else this.destroy(new SshFault(`ssh ended with code ${code}: ${this.#fault.trim() || "it said nothing"}`));
    });
    // Whoever uses it hears of its faults; while nobody does, there is nothing to be done about them.
    this.on("error", () => undefined);
  }

  override _read(): void {
    this.#child.stdout.resume();
  }

  override _write(chunk: Buffer, _: BufferEncoding, done: (error?: Error | null) => void): void {
    // Of one that could not be written the end is on its way.
    this.#child.stdin.write(chunk, (error) => error || done());
  }

  override _final(done: () => void): void {
    this.#child.stdin.end(done);
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.#child.kill();
    done(error);
  }

  setTimeout = () => this;
  setNoDelay = () => this;
  setKeepAlive = () => this;

  ref(): this {
    return this.#hold("ref");
  }

  /** One that waits for a next request must not keep the process alive. */
  unref(): this {
    return this.#hold("unref");
  }

  #hold(act: "ref" | "unref"): this {
    const { stdin, stdout, stderr } = this.#child;
    this.#child[act]();
    for (const stream of [stdin, stdout, stderr]) if (stream instanceof Socket) stream[act]();
    return this;
  }
}
