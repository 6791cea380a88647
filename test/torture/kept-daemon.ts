/** A daemon that is started again whenever it dies, on the same data dir: what systemd would do. */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { execa } from "execa";

export interface KeptDaemonOptions {
  agentd: string;
  dataDir: string;
  config: Record<string, unknown>;
  env?: Record<string, string>;
  /** A death that nobody asked for, or a start that failed; with what it said, and when that process had begun. */
  onUnasked(what: string, startedAt: number): void;
}

export interface Served {
  pid: number;
  url: string;
  token: string;
}

/** A start that nobody cuts short. */
const startMs = 60_000;

function serve(command: readonly string[], env: Record<string, string>) {
  return execa(process.execPath, [...command, "--on-shutdown", "keep"], {
    env: { AGENTD_URL: undefined, AGENTD_TOKEN: undefined, ...env },
    stdin: "ignore",
    reject: false,
    buffer: false,
    forceKillAfterDelay: false,
  });
}

export class KeptDaemon {
  readonly #options: KeptDaemonOptions;
  #child: ReturnType<typeof serve> | undefined;
  #served: Served | undefined;
  #isWanted = true;
  #wasAsked = false;
  #restartDelayMs = 0;
  #beforeStart: (() => void) | undefined;
  #life: Promise<void> | undefined;
  #said: string[] = [];
  /** When it was last ended by us. */
  #lastAt = 0;
  starts = 0;

  constructor(options: KeptDaemonOptions) {
    this.#options = options;
    mkdirSync(options.dataDir, { recursive: true, mode: 0o700 });
    writeFileSync(this.#configPath, JSON.stringify(options.config));
  }

  /** How to reach it; undefined while it is dead or on its way up. */
  get served(): Served | undefined {
    return this.#served;
  }

  /** Of the process, also before it serves. */
  get pid(): number | undefined {
    return this.#child?.pid;
  }

  begin(): void {
    this.#life ??= this.#live();
  }

  /** Resolves when it serves. */
  async serving(): Promise<Served> {
    const askedAt = performance.now();
    for (;;) {
      if (this.#served) return this.#served;
      if (performance.now() > Math.max(askedAt, this.#lastAt) + startMs)
        throw new Error(`the daemon did not come back within ${startMs / 1000} s: ${this.#said.join("").slice(-2000)}`);
      await sleep(10);
    }
  }

  /** Signals it now. Its next start comes after the delay, and after `beforeStart`, which finds it dead. */
  end(signal: "SIGKILL" | "SIGTERM", next: { delayMs: number; beforeStart?: () => void }): void {
    if (!this.#child?.pid) return;
    this.#wasAsked = true;
    this.#lastAt = performance.now();
    this.#restartDelayMs = next.delayMs;
    this.#beforeStart = next.beforeStart;
    this.#served = undefined;
    process.kill(this.#child.pid, signal);
  }

  /** For good, by SIGTERM. Resolves with its exit code. */
  async stop(): Promise<number | undefined> {
    this.#isWanted = false;
    const child = this.#child;
    this.end("SIGTERM", { delayMs: 0 });
    const result = await child;
    await this.#life;
    return result?.exitCode;
  }

  get #configPath(): string {
    return join(this.#options.dataDir, "config-of-test.json");
  }

  async #live(): Promise<void> {
    while (this.#isWanted) {
      await this.#run();
      this.#served = undefined;
      this.#child = undefined;
      if (!this.#isWanted) return;
      await sleep(this.#restartDelayMs);
      this.#restartDelayMs = 50;
      this.#beforeStart?.();
      this.#beforeStart = undefined;
    }
  }

  async #run(): Promise<void> {
    const { agentd, dataDir, env = {} } = this.#options;
    this.#said = [];
    const said = this.#said;
    this.#wasAsked = false;
    const startedAt = performance.now();
    const child = serve([agentd, "serve", "--port", "0", "--data-dir", dataDir, "--config", this.#configPath], env);
    const keep = (chunk: unknown) => {
      said.push(String(chunk));
      if (said.length > 200) said.shift();
    };
    child.stdout.on("data", keep);
    child.stderr.on("data", keep);
    this.#child = child;
    this.starts += 1;
    let isOver = false;
    const over = child.then((result) => {
      isOver = true;
      return result;
    });
    while (!isOver && !this.#served) {
      this.#served = this.#wasAsked ? undefined : this.#address(child.pid);
      await Promise.race([over, sleep(5)]);
    }
    const { exitCode, signal } = await over;
    if (!this.#wasAsked) {
      this.#options.onUnasked(
        `the daemon ended with ${signal ?? `code ${exitCode}`}: ${said.join("").slice(-2000)}`,
        startedAt,
      );
    }
  }

  /** The file of a dead daemon is there until the next one has taken its place. */
  #address(pid: number | undefined): Served | undefined {
    try {
      const { dataDir } = this.#options;
      const file = JSON.parse(readFileSync(join(dataDir, "daemon.json"), "utf8"));
      if (file.pid !== pid || typeof file.url !== "string") return undefined;
      return { pid: file.pid, url: file.url, token: readFileSync(join(dataDir, "token"), "utf8").trim() };
    } catch {
      // Not written yet.
      return undefined;
    }
  }
}
