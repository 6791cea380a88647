/** All that doctor looks at, in the order in which it is told. A new check is a function in this list. */
import { checkAgents } from "./agents.ts";
import { checkDaemon, checkPort } from "./daemon.ts";
import { checkClock, checkSessions, checkStore, checkToken } from "./data.ts";
import { checkDocker } from "./docker.ts";
import { checkEgress } from "./egress.ts";
import type { Check, Examined, Finding } from "./finding.ts";
import { checkConfig, checkControlGroup, checkLimits, checkNode } from "./machine.ts";
import { checkSandbox } from "./sandbox.ts";
import { checkDataDir, checkRoom, checkStorage } from "./storage.ts";
import { checkHandles, checkNamedDaemon, checkTempFolder } from "./surroundings.ts";

const checks: readonly Check[] = [
  checkNode,
  checkConfig,
  checkDataDir,
  checkStorage,
  checkRoom,
  checkToken,
  checkStore,
  checkSessions,
  checkClock,
  checkDaemon,
  checkPort,
  checkNamedDaemon,
  checkHandles,
  checkTempFolder,
  checkControlGroup,
  checkLimits,
  checkSandbox,
  checkDocker,
  checkEgress,
  checkAgents,
];

export async function examine(examined: Examined): Promise<Finding[]> {
  const found = await Promise.all(checks.map((check) => check(examined)));
  return found.flat();
}
