/** What lies in the data dir: the token, the store, the records and logs of sessions, and times that are still to come. */
import { lstat, open, readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { AgentdError, errnoOf, messageOf } from "../protocol/error.ts";
import { readRecord } from "../session/record.ts";
import { storeState } from "../store/store-check.ts";
import { servedBy } from "./daemon.ts";
import { type Check, machine } from "./finding.ts";

/** As the daemon asks for it at its start. */
const tokenCharactersMin = 16;
/** A data dir of many years; the newest are looked at. */
const sessionsMax = 10_000;
/** Clocks of this machine and of its disk may differ so much without harm. */
const aheadMsMax = 60_000;
const namedMax = 3;

export const checkToken: Check = async ({ config, dataDir }) => {
  const path = config?.tokenFile ?? join(dataDir, "token");
  try {
    const { mode } = await stat(path);
    const token = (await readFile(path, "utf8")).trim();
    if (token.length < tokenCharactersMin)
      return [
        machine(
          "token",
          "wrong",
          `${path} holds no token: it is shorter than ${tokenCharactersMin} characters`,
          "Delete the file: the next start makes another",
        ),
      ];
    if ((mode & 0o077) === 0) return [machine("token", "ok", path)];
    const found = `${path} has the mode ${(mode & 0o777).toString(8)}: whoever reads it may do everything`;
    return [
      machine(
        "token",
        "warning",
        found,
        `chmod 600 ${path}, and if others are on this machine: agentd token rotate token-file`,
      ),
    ];
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return [];
    return [
      machine(
        "token",
        "wrong",
        `${path} cannot be read: ${errnoOf(error) ?? messageOf(error)}`,
        `Give it to the daemon's user, or name another file with token_file`,
      ),
    ];
  }
};

/** Not while a daemon has it: that one has opened it, and says itself what is wrong with its disk. */
export const checkStore: Check = async ({ dataDir }) => {
  if ((await servedBy(dataDir)) !== undefined) return [];
  try {
    const state = await storeState(join(dataDir, "state.db"));
    switch (state.kind) {
      case "none":
        return [];
      case "sound":
        return [machine("store", "ok", "can be opened")];
      case "unknown":
        return [machine("store", "note", `not looked into: ${state.why}`)];
      case "faulty": {
        const [found = state.why, ...advice] = state.why.split(/\. (?=[A-Z])/);
        return [machine("store", "wrong", found, advice.join(". ") || undefined)];
      }
      default:
        return state satisfies never;
    }
  } catch (error) {
    return [machine("store", "note", `not looked into: ${messageOf(error)}`)];
  }
};

export const checkSessions: Check = async ({ dataDir }) => {
  const home = join(dataDir, "sessions");
  const ids = await newest(home);
  const faults: string[] = [];
  for (const id of ids) {
    const fault = await sessionFault(join(home, id));
    if (fault !== undefined) faults.push(`${id} (${fault})`);
  }
  if (faults.length === 0) return ids.length === 0 ? [] : [machine("sessions", "ok", `${ids.length} can be read`)];
  const named = faults.slice(0, namedMax).join(", ");
  const more = faults.length > namedMax ? ` and ${faults.length - namedMax} more` : "";
  const advice =
    "Put their folders back from a copy, or remove them (agentd rm ID); the other sessions are not touched by it";
  return [machine("sessions", "warning", `${faults.length} of ${ids.length} are damaged: ${named}${more}`, advice)];
};

/** A clock that was set back: what was written before is still to come, and limits by time and age are late by as much. */
export const checkClock: Check = async ({ dataDir }) => {
  const times = await Promise.all(
    ["daemon.json", "state.db", "state.db-wal", "audit.ndjson", "token", "sessions"].map(async (name) => {
      const found = await lstat(join(dataDir, name)).catch(() => undefined);
      return found?.mtimeMs ?? 0;
    }),
  );
  const aheadMs = Math.max(...times) - Date.now();
  if (aheadMs <= aheadMsMax) return [];
  const found = `this machine says ${new Date().toISOString()}; files of the data dir are ${Math.round(aheadMs / 1000)} s ahead of that`;
  return [
    machine(
      "clock",
      "warning",
      found,
      "Set the clock (timedatectl set-ntp true). Logs keep their order by offset and seq, whatever it says",
    ),
  ];
};

async function newest(home: string): Promise<string[]> {
  const names = await readdir(home).catch(() => []);
  if (names.length <= sessionsMax) return names;
  const dated = await Promise.all(
    names.map(async (name) => ({ name, at: (await stat(join(home, name)).catch(() => undefined))?.mtimeMs ?? 0 })),
  );
  return dated
    .sort((one, other) => other.at - one.at)
    .slice(0, sessionsMax)
    .map(({ name }) => name);
}

/** Of a live session only the record can be told: its log is being written. */
async function sessionFault(folder: string): Promise<string | undefined> {
  try {
    const { ended } = await readRecord(join(folder, "session.json"));
    return ended === undefined ? undefined : await logFault(join(folder, "events.ndjson"));
  } catch (error) {
    // Deleted: what is left is its log, or a home that can be resumed in.
    return errnoOf(error) === "ENOENT" ? undefined : `its record cannot be read: ${whyOf(error)}`;
  }
}

/** Without the path, which the session's id says already. */
function whyOf(error: unknown): string {
  return error instanceof AgentdError ? error.message.replace(/^.*?": /, "") : (errnoOf(error) ?? messageOf(error));
}

/** Ends in the midst of a line. A compressed one was read back when it was made. */
async function logFault(path: string): Promise<string | undefined> {
  try {
    const file = await open(path, "r");
    try {
      const { size } = await file.stat();
      const { buffer, bytesRead } = await file.read(Buffer.alloc(1), 0, 1, Math.max(0, size - 1));
      return bytesRead === 1 && buffer[0] === 0x0a ? undefined : "its log is cut off";
    } finally {
      await file.close();
    }
  } catch (error) {
    if (errnoOf(error) !== "ENOENT") return `its log: ${errnoOf(error) ?? messageOf(error)}`;
    const isCompressed = await stat(`${path}.gz`).then(
      () => true,
      () => false,
    );
    return isCompressed ? undefined : "its log is gone";
  }
}
