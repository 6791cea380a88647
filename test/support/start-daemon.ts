/** A real daemon, as its bundle, on a free port with a data dir of its own. Used by tests, demo and benches. */
import { existsSync } from "node:fs";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { execa } from "execa";
import * as z from "zod";
import { ClientSocket } from "./client-socket.ts";
import { eventually } from "./eventually.ts";
import { daemons, dataDirs } from "./started.ts";
import { tempDir } from "./temp-dir.ts";

/** The build under test; another one, such as an installed package, by AGENTRUNTIME_TEST_AGENTD. */
export const agentdPath =
  process.env["AGENTRUNTIME_TEST_AGENTD"] ?? fileURLToPath(new URL("../../dist/agentd.js", import.meta.url));

export interface DaemonOptions {
  /** The configuration file's content. */
  config?: Record<string, unknown>;
  /** Flags of node itself, such as `--max-old-space-size=128`. */
  nodeArgs?: readonly string[];
  /** Flags behind `serve`. */
  args?: readonly string[];
  /** Added to the environment; undefined takes a variable away. */
  env?: Record<string, string | undefined>;
  /** An existing data dir, such as that of a daemon that was killed; kept at `stop`. A new one is made and removed. */
  dataDir?: string;
  deadlineMs?: number;
  /** Ctrl+C at the terminal is not for it: whoever started it stops it. */
  ownGroup?: boolean;
}

export interface Answer {
  status: number;
  headers: Headers;
  text: string;
  /** The body as JSON; undefined when it is none. */
  // biome-ignore lint/suspicious/noExplicitAny: tests look into answers of every shape
  body: any;
}

export interface RequestOptions {
  headers?: Record<string, string>;
  /** Sent as it is instead of as JSON. */
  raw?: string | Uint8Array;
}

export interface Daemon {
  readonly url: string;
  readonly token: string;
  readonly dataDir: string;
  readonly pid: number;
  /** What it has written to stdout and stderr. */
  output(): string;
  get(path: string, options?: RequestOptions): Promise<Answer>;
  post(path: string, body?: unknown, options?: RequestOptions): Promise<Answer>;
  put(path: string, body?: unknown, options?: RequestOptions): Promise<Answer>;
  patch(path: string, body?: unknown, options?: RequestOptions): Promise<Answer>;
  delete(path: string, options?: RequestOptions): Promise<Answer>;
  /** Connects to a session, at an offset or live only. */
  ws(sessionId: string, since?: number): Promise<ClientSocket>;
  /** `agentd` with these arguments, pointed at this daemon. */
  cli(...args: string[]): ReturnType<typeof runCli>;
  /** SIGTERM, which ends its sessions; waits; removes the data dir if it was made here. */
  stop(): Promise<{ code: number | undefined }>;
  /** SIGTERM to a daemon that leaves its sessions to the next one; the data dir stays, until this one's `stop`. */
  leave(): Promise<{ code: number | undefined }>;
  /** Dies at once and leaves its sessions alive. The data dir stays for a next daemon, until this one's `stop`. */
  kill9(): Promise<void>;
}

/** What a daemon may take to end its sessions and itself. */
const endMsMax = 20_000;

const DaemonFile = z.object({ url: z.string(), pid: z.number().int() });

export async function startDaemon(options: DaemonOptions = {}): Promise<Daemon> {
  const { config = {}, args = [], nodeArgs = [], env = {}, deadlineMs = 20_000 } = options;
  const made = options.dataDir === undefined ? await tempDir() : undefined;
  const dataDir = options.dataDir ?? join(made?.path ?? "", "data");
  // In the data dir, so that the next daemon of a killed one's data dir finds the same settings.
  const configFile = join(dataDir, "config-of-test.json");
  const output: string[] = [];
  try {
    await mkdir(dataDir, { recursive: true, mode: 0o700 });
    if (options.config || !existsSync(configFile)) await writeFile(configFile, JSON.stringify(config));
    // A test leaves nothing running; those that try the default say so behind.
    const serve = ["serve", "--port", "0", "--on-shutdown", "stop"];
    const child = execa(
      process.execPath,
      [...nodeArgs, agentdPath, ...serve, "--data-dir", dataDir, "--config", configFile, ...args],
      {
        env: { AGENTD_URL: undefined, AGENTD_TOKEN: undefined, ...env },
        stdin: "ignore",
        reject: false,
        buffer: false,
        cleanup: options.ownGroup !== true,
        detached: options.ownGroup === true,
        // A daemon that hangs is to be seen, not to be ended behind the test's back.
        forceKillAfterDelay: false,
      },
    );
    child.stdout.on("data", (chunk) => output.push(String(chunk)));
    child.stderr.on("data", (chunk) => output.push(String(chunk)));
    const started = eventually(() => daemonFile(dataDir, child.pid), { deadlineMs, what: "the daemon's start" });
    const ended = child.then(({ exitCode }) => {
      throw new Error(`it ended with code ${exitCode}`);
    });
    const { url } = await Promise.race([started, ended]).catch((cause) => {
      child.kill("SIGKILL");
      throw new Error(`The daemon did not start: ${output.join("") || "it said nothing"}`, { cause });
    });
    // From here on its end is nothing that anybody waits for by this promise.
    ended.catch(() => {});
    const token = (await readFile(join(dataDir, "token"), "utf8").catch(() => "")).trim();
    const stopForGood = () => end("SIGTERM");
    daemons.add(stopForGood);
    dataDirs.add(dataDir);
    const end = async (signal: "SIGTERM" | "SIGKILL") => {
      daemons.delete(stopForGood);
      child.kill(signal, new Error(signal));
      let isHanging = false;
      const deadline = setTimeout(() => {
        isHanging = true;
        child.kill("SIGKILL");
      }, endMsMax);
      const { exitCode } = await child;
      clearTimeout(deadline);
      if (isHanging) throw new Error(`The daemon did not end ${endMsMax} ms after ${signal}: ${output.join("")}`);
      return { code: exitCode };
    };
    return {
      url,
      token,
      dataDir,
      pid: child.pid ?? 0,
      output: () => output.join(""),
      ...requests(url, token),
      ws: (id, since) => openSocket({ url, token, id, since }),
      cli: (...cliArgs) => runCli(cliArgs, { AGENTD_URL: url, AGENTD_TOKEN: token, AGENTRUNTIME_DATA_DIR: dataDir }),
      stop: async () => {
        const ended = await end("SIGTERM");
        await made?.remove();
        if (made) dataDirs.delete(dataDir);
        return ended;
      },
      leave: () => end("SIGTERM"),
      kill9: async () => {
        await end("SIGKILL");
      },
    };
  } catch (thrown) {
    await made?.remove();
    throw thrown;
  }
}

/** Runs `agentd` to its end; never throws for its exit code. */
export function runCli(args: readonly string[], env: Record<string, string> = {}) {
  return execa(process.execPath, [agentdPath, ...args], {
    env: { NO_COLOR: "1", ...env },
    stdin: "ignore",
    reject: false,
  });
}

export function openSocket(at: {
  url: string;
  token: string;
  id: string;
  since?: number | undefined;
}): Promise<ClientSocket> {
  const query = at.since === undefined ? "" : `?since=${at.since}`;
  const url = `${at.url.replace(/^http/, "ws")}/ws/sessions/${at.id}${query}`;
  return ClientSocket.open(url, { headers: { authorization: `Bearer ${at.token}` } });
}

export function requests(url: string, token: string): Pick<Daemon, "get" | "post" | "put" | "patch" | "delete"> {
  return {
    get: (path, options = {}) => request("GET", path, undefined, options),
    post: (path, body, options = {}) => request("POST", path, body, options),
    put: (path, body, options = {}) => request("PUT", path, body, options),
    patch: (path, body, options = {}) => request("PATCH", path, body, options),
    delete: (path, options = {}) => request("DELETE", path, undefined, options),
  };

  async function request(method: string, path: string, body: unknown, options: RequestOptions): Promise<Answer> {
    const sent = options.raw ?? (body === undefined ? undefined : JSON.stringify(body));
    const response = await fetch(url + path, {
      method,
      headers: {
        ...(token ? { authorization: `Bearer ${token}` } : {}),
        ...(sent === undefined ? {} : { "content-type": "application/json" }),
        ...options.headers,
      },
      ...(sent === undefined ? {} : { body: sent as string }),
    });
    const text = await response.text();
    return { status: response.status, headers: response.headers, text, body: parsed(text) };
  }
}

/** The daemon's file once it is this daemon's: a restart finds the dead one's there at first. */
async function daemonFile(dataDir: string, pid: number | undefined) {
  const found = DaemonFile.safeParse(parsed(await readFile(join(dataDir, "daemon.json"), "utf8")));
  return found.success && found.data.pid === pid ? found.data : undefined;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
