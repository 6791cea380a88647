/** Where things are in a session's container. */
import type { Place, PlaceSpec } from "../runtime.ts";

export const inside = {
  home: "/home/agent",
  workDir: "/workspace",
  /** Spool, blobs and raw lines: a folder of this machine. */
  sessionDir: "/run/agentruntime/session",
  /** The sidecar's socket: a folder of this machine. */
  socketDir: "/run/agentruntime/socket",
  authorities: "/run/agentruntime/authorities.pem",
  /** Agents' programs first. */
  path: "/opt/agents/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
} as const;

export function placeInContainer(_spec: PlaceSpec): Place {
  return {
    sessionDir: inside.sessionDir,
    socketPath: `${inside.socketDir}/s`,
    workDir: inside.workDir,
    privateHome: inside.home,
    temporaryDir: "/tmp",
    environment: { PATH: inside.path, LANG: "C.UTF-8", TERM: "xterm-256color", USER: "agent", SHELL: "/bin/bash" },
    // The image has the agents; a command of the operator's is one of the image too.
    programOf: ({ name, command }) => command ?? name,
  };
}
