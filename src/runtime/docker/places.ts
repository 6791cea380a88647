/** Where things are in a session's container. */
import { join } from "node:path";
import type { Place, PlaceSpec } from "../runtime.ts";

export const inside = {
  home: "/home/agent",
  workDir: "/workspace",
  /** Spool, blobs and raw lines: a folder of this machine. */
  sessionDir: "/run/agentruntime/session",
  /** The sidecar's socket: a folder of this machine. */
  socketDir: "/run/agentruntime/socket",
  /** The key keeper's socket: a folder of this machine that the container cannot change. */
  keeperDir: "/run/agentruntime/keeper",
  /** Sockets to services outside: the same. */
  hostDoorsDir: "/run/agentruntime/host",
  /** The login that the daemon keeps: the same. */
  loginDir: "/run/agentruntime/login",
  authorities: "/run/agentruntime/authorities.pem",
  /** Agents' programs first. */
  path: "/opt/agents/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
} as const;

export function placeInContainer({ runDir }: PlaceSpec): Place {
  return {
    sessionDir: inside.sessionDir,
    socketPath: `${inside.socketDir}/s`,
    workDir: inside.workDir,
    privateHome: inside.home,
    temporaryDir: "/tmp",
    keeperSocket: { path: join(runDir, "k", "s"), seenAs: `${inside.keeperDir}/s`, isOpen: true },
    loginFile: { path: join(runDir, "l", "login"), seenAs: `${inside.loginDir}/login` },
    hostDoors: { path: join(runDir, "h"), seenAs: inside.hostDoorsDir },
    environment: { PATH: inside.path, LANG: "C.UTF-8", TERM: "xterm-256color", USER: "agent", SHELL: "/bin/bash" },
    // The image has the agents; a command of the operator's is one of the image too.
    programOf: ({ name, command }) => command ?? name,
  };
}
