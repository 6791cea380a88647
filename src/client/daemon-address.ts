/** How a client finds its daemon, and the token to show there. Reads two small files; never connects. */
import { readFile } from "node:fs/promises";
import path from "node:path";
import * as z from "zod";
import { errnoOf } from "../protocol/error.ts";
import { isLoopback } from "../protocol/loopback.ts";
import { type DaemonAddress, DaemonUnreachable } from "./address.ts";
import { socketFetch } from "./socket-fetch.ts";

export type Environment = Readonly<Record<string, string | undefined>>;

export interface DaemonWanted {
  url?: string | undefined;
  port?: number | undefined;
  /** Absolute; the caller knows the rules for finding it. */
  dataDir: string;
  env: Environment;
}

/** What a daemon leaves in its data dir for others to find it. Newer daemons may write more. */
const DaemonFile = z.looseObject({ url: z.string(), token_file: z.string().optional() });

/** `--url`, then `--port` on this machine, then AGENTD_URL, then the daemon of the data dir. Throws DaemonUnreachable. */
export async function findDaemon(wanted: DaemonWanted): Promise<DaemonAddress> {
  const { dataDir } = wanted;
  const served = (await readDaemonFile(dataDir))?.url;
  const named = namedUrl(wanted);
  const url = named?.url ?? served;
  if (url === undefined) {
    throw new DaemonUnreachable(
      `No daemon serves the data dir ${dataDir} (it has no daemon.json). Start one with "agentd serve", or name one with --url; one that "agentd run" started leaves with its last session`,
      { named: false },
    );
  }
  const source = named?.source ?? `daemon.json in ${dataDir}`;
  return addressOf({ url, source, token: await findToken({ url, served, dataDir, env: wanted.env }) });
}

/** With the way to a Unix socket, where it is one. */
export async function addressOf(address: Omit<DaemonAddress, "fetch">): Promise<DaemonAddress> {
  const path = socketPathOf(address.url);
  return path === undefined ? address : { ...address, fetch: await socketFetch(path) };
}

function socketPathOf(url: string): string | undefined {
  return /^unix:(\/.+)$/.exec(url)?.[1];
}

/**
 * The token that `agentd token` prints: AGENTD_TOKEN, else the data dir's. Throws when a daemon was named that is not
 * the data dir's: its token is kept somewhere else.
 */
export async function tokenOf(wanted: DaemonWanted): Promise<string | undefined> {
  const named = namedUrl(wanted);
  if (named === undefined || wanted.env["AGENTD_TOKEN"]) return readToken(wanted);
  const served = (await readDaemonFile(wanted.dataDir))?.url;
  if (served !== undefined && isSameAddress(named.url, served)) return readToken(wanted);
  const found = served === undefined ? "no daemon serves" : `the daemon at ${served} serves`;
  throw new DaemonUnreachable(
    `Cannot print the token of ${named.url} (${named.source}): ${found} the data dir ${wanted.dataDir}. Name that daemon's own with --data-dir`,
    { named: true },
  );
}

/** On this machine a daemon has several names, and one port. */
function isSameAddress(one: string, other: string): boolean {
  if (socketPathOf(one) !== undefined || socketPathOf(other) !== undefined) return one === other;
  const [first, second] = [new URL(one), new URL(other)];
  const isSameHost = first.hostname === second.hostname || (isLoopback(first.hostname) && isLoopback(second.hostname));
  return isSameHost && first.port === second.port && first.protocol === second.protocol;
}

async function readToken(options: { dataDir: string; env: Environment }): Promise<string | undefined> {
  const given = options.env["AGENTD_TOKEN"];
  if (given) return given;
  const file = (await readDaemonFile(options.dataDir))?.token_file ?? path.join(options.dataDir, "token");
  const text = await readIfThere(file);
  return text?.trim() || undefined;
}

function namedUrl(wanted: DaemonWanted): { url: string; source: string } | undefined {
  if (wanted.url) return { url: checkUrl(wanted.url, "--url"), source: "--url" };
  if (wanted.port !== undefined) return { url: `http://127.0.0.1:${wanted.port}`, source: "--port" };
  const fromEnv = wanted.env["AGENTD_URL"];
  if (fromEnv) return { url: checkUrl(fromEnv, "AGENTD_URL"), source: "AGENTD_URL" };
  return undefined;
}

function checkUrl(text: string, source: string): string {
  if (socketPathOf(text) !== undefined) return text;
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url?.protocol !== "http:" && url?.protocol !== "https:") {
    throw new DaemonUnreachable(
      `Cannot use ${source} ${JSON.stringify(text)}: expected something like http://127.0.0.1:8090, or unix:/PATH of a socket`,
      {
        named: true,
      },
    );
  }
  return text.replace(/\/+$/, "");
}

/**
 * The file's token is this user's key to this machine. Only the daemon that left it there gets it: at another address may listen
 * whoever was there first, or the other end of a tunnel.
 */
async function findToken(options: { url: string; served: string | undefined; dataDir: string; env: Environment }) {
  const given = options.env["AGENTD_TOKEN"];
  if (given) return given;
  if (options.served === undefined || !isSameAddress(options.url, options.served)) return undefined;
  return readToken(options);
}

async function readDaemonFile(dataDir: string): Promise<z.infer<typeof DaemonFile> | undefined> {
  const text = await readIfThere(path.join(dataDir, "daemon.json"));
  if (text === undefined) return undefined;
  const parsed = DaemonFile.safeParse(parseJson(text));
  // A file cut short by a crash says as little as none.
  if (!parsed.success || !URL.canParse(parsed.data.url)) return undefined;
  return { ...parsed.data, url: parsed.data.url.replace(/\/+$/, "") };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

async function readIfThere(file: string): Promise<string | undefined> {
  try {
    return await readFile(file, "utf8");
  } catch (cause) {
    if (errnoOf(cause) === "ENOENT" || errnoOf(cause) === "ENOTDIR") return undefined;
    throw new Error(`Cannot read ${file}: ${errnoOf(cause) ?? String(cause)}`, { cause });
  }
}
