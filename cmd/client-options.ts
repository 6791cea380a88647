/** What every client command shares: the options that name a daemon, and what is made of them. */
import type { Command } from "commander";
import * as z from "zod";
import type { DaemonAddress } from "../src/client/address.ts";
import { type Environment, findDaemon } from "../src/client/daemon-address.ts";
import { dataDirOf } from "../src/config.ts";
import { parsePort } from "./option-values.ts";
import type { Terminal } from "./terminal.ts";

export const DaemonOptions = z.object({
  url: z.string().optional(),
  port: z.number().optional(),
  dataDir: z.string().optional(),
});
export type DaemonOptions = z.infer<typeof DaemonOptions>;

/** What commands get from the program that runs them. */
export interface CommandContext {
  env: Environment;
  terminal: Terminal;
  /** Leaves with this code once output is written. */
  exit(code: number): void;
}

export function addDaemonOptions(command: Command): Command {
  return command
    .option("--url <url>", "the daemon to ask (else AGENTD_URL, else --port, else the data dir's)")
    .option("--port <port>", "the daemon on this port of this machine", parsePort)
    .option("--data-dir <dir>", "where the daemon left its address and token (else AGENTRUNTIME_DATA_DIR)");
}

export function locate(options: DaemonOptions, env: Environment): Promise<DaemonAddress> {
  return findDaemon({ url: options.url, port: options.port, dataDir: dataDirOf(options.dataDir, env), env });
}
