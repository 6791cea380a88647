/** Starts key keepers, finds those that an earlier daemon started, and hears when one is gone. */
import { existsSync } from "node:fs";
import { request } from "node:http";
import { dirname } from "node:path";
import { execa } from "execa";
import { AgentdError, messageOf } from "../protocol/error.ts";
import { leasePath } from "../protocol/model-door.ts";
import type { KeeperBootstrap } from "./bootstrap.ts";

export interface KeeperLaunch {
  /** The bundled keeper. */
  keeperPath: string;
  environment: Readonly<Record<string, string | undefined>>;
  launchTimeoutMs: number;
}

const errorBytesMax = 4096;

/** Starts the keeper of a session; resolves when it listens. Rejects with `launch_failed`. */
export async function launchKeeper(options: KeeperLaunch, bootstrap: KeeperBootstrap): Promise<void> {
  const child = execa(process.execPath, [options.keeperPath], {
    cwd: dirname(bootstrap.socket_path),
    // It outlives the daemon, as the sidecar does that needs it.
    detached: true,
    cleanup: false,
    extendEnv: false,
    env: keeperEnv(options.environment),
    stdin: "pipe",
    stdout: "pipe",
    stderr: "ignore",
    buffer: false,
    reject: false,
  });
  child.stdin.on("error", () => {
    // It ended before it read its bootstrap; its missing answer says so.
  });
  child.stdin.end(`${JSON.stringify(bootstrap)}\n`);
  const deadline = setTimeout(() => child.kill("SIGKILL"), options.launchTimeoutMs);
  try {
    const said = await firstLine(child.stdout);
    if (said !== "ok") throw new Error(said === "" ? "it ended without an answer" : said);
    child.stdout.destroy();
    child.unref();
  } catch (error) {
    child.kill("SIGKILL");
    await child;
    throw new AgentdError(
      "launch_failed",
      `Cannot start the key keeper of session "${bootstrap.session_id}": ${messageOf(error)}. Try again, or set hide_key to false for this agent`,
      { cause: error },
    );
  } finally {
    clearTimeout(deadline);
  }
}

/**
 * Watches a keeper: `up` resolves with whether it answers, `gone` when it no longer does. Neither rejects; `close` ends
 * the watch without touching the keeper.
 */
export function watchKeeper({ socket_path, lease }: Pick<KeeperBootstrap, "socket_path" | "lease">): {
  up: Promise<boolean>;
  gone: Promise<void>;
  close(): void;
} {
  let tell: (isUp: boolean) => void = () => undefined;
  const up = new Promise<boolean>((resolve) => {
    tell = resolve;
  });
  const asking = request({
    socketPath: socket_path,
    path: leasePath,
    headers: { authorization: `Bearer ${lease}`, "agentruntime-watch": "1" },
  });
  const gone = new Promise<void>((resolve) => {
    asking.on("response", (answer) => {
      tell(answer.statusCode === 200);
      answer.resume();
      answer.on("close", resolve);
    });
    asking.on("close", () => {
      tell(false);
      resolve();
    });
    asking.on("error", () => {
      // Told by its close.
    });
  });
  if (existsSync(socket_path)) asking.end();
  else asking.destroy();
  return { up, gone, close: () => asking.destroy() };
}

async function firstLine(stdout: NodeJS.ReadableStream): Promise<string> {
  let text = "";
  for await (const chunk of stdout) {
    text += String(chunk);
    if (text.includes("\n") || text.length > errorBytesMax) break;
  }
  return text.split("\n", 1)[0] ?? "";
}

/** What node needs to find certificates, and no key of anybody. */
function keeperEnv(environment: KeeperLaunch["environment"]): Record<string, string> {
  const kept = ["PATH", "LANG", "TZ", "NODE_EXTRA_CA_CERTS", "SSL_CERT_FILE", "SSL_CERT_DIR"];
  return Object.fromEntries(
    kept.flatMap((name) => {
      const value = environment[name];
      return value === undefined ? [] : [[name, value]];
    }),
  );
}
