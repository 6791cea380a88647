/** The daemon of the data dir, and the port that a new one would take. */
import { readFile } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import * as z from "zod";
import { agentdAt } from "../client/agentd-at.ts";
import { addressOf } from "../client/daemon-address.ts";
import { getHealth } from "../client/sessions.ts";
import { isSameProcess } from "../process/identity.ts";
import { errnoOf, messageOf } from "../protocol/error.ts";
import { type Examined, type Finding, machine } from "./finding.ts";

const healthMsMax = 5000;

const DaemonFile = z.object({ pid: z.number().int(), pid_started: z.string(), url: z.string().optional() });
type DaemonFile = z.infer<typeof DaemonFile>;

export async function checkDaemon({ dataDir, version }: Examined): Promise<Finding[]> {
  const served = await servedBy(dataDir);
  if (served === undefined)
    return [
      machine("daemon", "note", 'none serves this data dir: "agentd run" starts one, "agentd serve" keeps one up'),
    ];
  const name = `pid ${served.pid}${served.url ? ` at ${served.url}` : ""}`;
  if (served.url === undefined) return [machine("daemon", "warning", `${name} is starting, or hangs in its start`)];
  try {
    const address = await addressOf({ url: served.url, token: undefined, source: "daemon.json" });
    const health = await getHealth(address, AbortSignal.timeout(healthMsMax));
    if (health.storage)
      return [machine("daemon", "wrong", `${name}: ${health.storage.message}`, "Make room on its disk")];
    if (health.version === version) return [machine("daemon", "ok", `${name}, version ${version}`)];
    const found = `${name} is version ${health.version}, this is ${version}`;
    return [machine("daemon", "warning", found, "Restart it: its sessions go on, and the next daemon takes them over")];
  } catch (error) {
    const advice = `End it (kill ${served.pid}; kill -9 if it stays) and start another: sessions go on`;
    return [machine("daemon", "wrong", `${name} does not answer: ${messageOf(error)}`, advice)];
  }
}

export async function checkPort({ config, dataDir }: Examined): Promise<Finding[]> {
  if (config === undefined || (await servedBy(dataDir)) !== undefined) return [];
  const { host, port } = config.listen;
  if (port === 0) return [machine("port", "ok", "any free one")];
  const fault = await listenFault(host, port);
  if (fault === undefined) return [machine("port", "ok", `${host}:${port} is free`)];
  const advice = 'Choose another with listen.port or --port; 0 takes any free one. "agentd run" does that by itself';
  const other = fault === "EADDRINUSE" ? await agentdAt({ host, port }, AbortSignal.timeout(healthMsMax)) : undefined;
  if (other !== undefined) {
    const found = `${host}:${port}: an agentd, version ${other}, listens there; it is not this data dir's`;
    const ask = `Commands ask it with --port ${port}, and its token in AGENTD_TOKEN. For a daemon of this data dir: c${advice.slice(1)}`;
    return [machine("port", "warning", found, ask)];
  }
  const why = fault === "EADDRINUSE" ? "another program listens there" : fault;
  return [machine("port", "wrong", `${host}:${port}: ${why}`, advice)];
}

/** The living daemon of the data dir. */
export async function servedBy(dataDir: string): Promise<DaemonFile | undefined> {
  try {
    const file = DaemonFile.parse(JSON.parse(await readFile(join(dataDir, "daemon.json"), "utf8")));
    return isSameProcess(file.pid, file.pid_started) ? file : undefined;
  } catch {
    // None, or one that was cut short by a crash: nobody's.
    return undefined;
  }
}

function listenFault(host: string, port: number): Promise<string | undefined> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", (error) => resolve(errnoOf(error) ?? messageOf(error)));
    server.listen({ host, port, exclusive: true }, () => server.close(() => resolve(undefined)));
  });
}
