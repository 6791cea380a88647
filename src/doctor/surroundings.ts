/** What a daemon gets from wherever it is started: file handles, a temp folder, and which daemon the commands ask. */
import { access, constants, readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { addressOf } from "../client/daemon-address.ts";
import { getHealth } from "../client/sessions.ts";
import { errnoOf, messageOf } from "../protocol/error.ts";
import { type Check, machine } from "./finding.ts";

const healthMsMax = 5000;
/** Below this not even some sessions find theirs: log, link and clients of each, the store, the listener. */
const handlesMin = 256;

/** Of this shell; a service manager may give its daemon more (LimitNOFILE). Node itself takes all it may have. */
export const checkHandles: Check = async ({ config }) => {
  const text = await readFile("/proc/self/limits", "utf8").catch(() => undefined);
  const [, most = "0"] = /^Max open files\s+\S+\s+(\S+)/m.exec(text ?? "") ?? [];
  // Of other systems it cannot be told; of some it need not.
  if (text === undefined || most === "unlimited") return [];
  const wanted = config?.limits.max_connections ?? 0;
  const found = `${most} may be open at once`;
  if (Number(most) >= Math.max(wanted, handlesMin)) return [machine("file handles", "ok", found)];
  const advice =
    "Raise the limit where the daemon is started (ulimit -Hn, LimitNOFILE), or lower limits.max_connections";
  if (Number(most) < handlesMin) return [machine("file handles", "wrong", `${found}: too few for sessions`, advice)];
  return [
    machine(
      "file handles",
      "warning",
      `${found}: fewer than the ${wanted} connections of limits.max_connections`,
      advice,
    ),
  ];
};

export const checkTempFolder: Check = async () => {
  const folder = tmpdir();
  try {
    await access(folder, constants.W_OK | constants.X_OK);
    return [];
  } catch (error) {
    const found = `${folder} cannot be written: ${errnoOf(error) ?? messageOf(error)}. Agents and their tools need one`;
    return [machine("temp folder", "wrong", found, "Let TMPDIR name a folder that is there, or unset it")];
  }
};

/** Commands ask the daemon that AGENTD_URL names, whatever data dir they are given. */
export const checkNamedDaemon: Check = async ({ environment }) => {
  const url = environment["AGENTD_URL"];
  if (!url) return [];
  try {
    const address = await addressOf({ url, token: undefined, source: "AGENTD_URL" });
    const { version } = await getHealth(address, AbortSignal.timeout(healthMsMax));
    return [machine("AGENTD_URL", "note", `commands ask the daemon at ${url}, version ${version}`)];
  } catch (error) {
    const found = `commands ask the daemon at ${url}, which does not answer: ${messageOf(error)}`;
    return [
      machine(
        "AGENTD_URL",
        "wrong",
        found,
        "unset AGENTD_URL, and commands find the daemon of the data dir by themselves",
      ),
    ];
  }
};
