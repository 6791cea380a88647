/** A daemon for `agentd run` when none answers: detached, and gone again when nobody needs it. */
import { once } from "node:events";
import { createWriteStream } from "node:fs";
import { readFile } from "node:fs/promises";
import path from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { execa } from "execa";
import { type DaemonAddress, DaemonUnreachable } from "../src/client/address.ts";
import { type Environment, findDaemon } from "../src/client/daemon-address.ts";
import { getHealth } from "../src/client/sessions.ts";
import { makeDataDir } from "../src/make-folder.ts";

const startMsMax = 30_000;
const askEveryMs = 50;
/** A daemon that found the data dir served by another leaves at once; that other one gets this long to answer. */
const otherMsMax = 5_000;
const logTailChars = 2_000;

/** Resolves when the daemon of the data dir answers. */
export async function startDetachedDaemon(options: {
  dataDir: string;
  env: Environment;
  note: (line: string) => void;
}): Promise<DaemonAddress> {
  const { dataDir, env, note } = options;
  const logFile = path.join(dataDir, "agentd.stderr");
  note(
    `No daemon is running for ${dataDir}: starting one on a free port, which leaves when its last session and client are gone ("agentd serve" keeps one up)`,
  );
  let endedAt: number | undefined;
  // The child outlives us; its end is only news while we wait for its address.
  const forget = () => {
    endedAt = performance.now();
  };
  const { ended } = await launch(dataDir, logFile);
  ended.then(forget, forget);
  const startedAt = performance.now();
  while (true) {
    const address = await findAnswering({ dataDir, env });
    if (address) return address;
    const now = performance.now();
    if (now - startedAt > startMsMax || (endedAt !== undefined && now - endedAt > otherMsMax)) break;
    await delay(askEveryMs);
  }
  throw new DaemonUnreachable(
    `Cannot start a daemon for ${dataDir}: ${endedAt === undefined ? `it does not answer after ${startMsMax / 1000} s` : "it ended"}. Its last words (${logFile}):\n${await readTail(logFile)}`,
    { named: false },
  );
}

/** The data dir's daemon, if it answers. */
export async function findAnswering(wanted: { dataDir: string; env: Environment }): Promise<DaemonAddress | undefined> {
  try {
    const address = await findDaemon(wanted);
    await getHealth(address);
    return address;
  } catch (error) {
    if (error instanceof DaemonUnreachable) return undefined;
    throw error;
  }
}

/** The promise of the started process's end. */
async function launch(dataDir: string, logFile: string): Promise<{ ended: Promise<unknown> }> {
  const [program] = process.argv.slice(1);
  if (program === undefined) throw new Error("Cannot start a daemon: this program does not know its own path");
  await makeDataDir(dataDir);
  // execa passes on a stream's own descriptor, and the daemon writes to the file after we are gone.
  const log = createWriteStream(logFile, { flags: "a", mode: 0o600 });
  await once(log, "open");
  try {
    const args = [...process.execArgv, program, "serve", "--port", "0", "--leave-when-idle", "--data-dir", dataDir];
    const child = execa(process.execPath, args, {
      // Its own session: Ctrl+C here is not meant for it. Its own folder: ours may be removed.
      detached: true,
      cleanup: false,
      cwd: dataDir,
      stdin: "ignore",
      stdout: "ignore",
      stderr: log,
      buffer: false,
      reject: false,
    });
    child.unref();
    return { ended: child.then(() => undefined) };
  } finally {
    log.close();
  }
}

async function readTail(file: string): Promise<string> {
  const text = await readFile(file, "utf8");
  return text.slice(-logTailChars).trim() || "(nothing)";
}
