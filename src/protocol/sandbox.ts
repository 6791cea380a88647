/** What an agent on this machine may see of it, when it is kept in a sandbox: nothing but what is named. */
import * as z from "zod";

export const SandboxPlan = z.object({
  /** The program `bwrap`. */
  program: z.string(),
  /** Of the operator's choice, besides the system's own folders. */
  read: z.array(z.string()),
  write: z.array(z.string()),
  /** Never to be seen, wherever they are. */
  hide: z.array(z.string()),
  /** The session's own, in place of /tmp. */
  temporary_dir: z.string(),
  /** The installation of Node, which agents that are scripts need. */
  node_dir: z.string(),
});
export type SandboxPlan = z.infer<typeof SandboxPlan>;

/** Where agents keep logins, conversations and settings in the home of a person, by their harness. */
export const homePlaces: Readonly<Record<string, readonly string[]>> = {
  claude: [".claude", ".claude.json"],
  codex: [".codex"],
  opencode: [".config/opencode", ".local/share/opencode", ".local/state/opencode", ".cache/opencode"],
};

/**
 * Signals go to the whole process group. bwrap would die of them and take the agent along, whose own affair they are: so
 * it ignores them, and the agent gets them as ever.
 */
export function underSandbox(program: string, args: readonly string[], command: readonly string[]): string[] {
  const outside = ["/bin/sh", "-c", 'trap "" HUP INT TERM; exec "$@"', "sh", program];
  return [...outside, ...args, "--", "/usr/bin/env", "--default-signal=HUP,INT,TERM", ...command];
}

/** A user of no power, process ids of its own; the network stays: the model is reached by it. */
export const sandboxNamespaces: readonly string[] = [
  ...["--unshare-user", "--unshare-pid", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try"],
  ...["--cap-drop", "ALL", "--die-with-parent"],
];

/** Readable for every agent, as far as they are there. */
export const systemFolders = "/usr /bin /sbin /lib /lib32 /lib64 /libx32 /etc /opt /nix".split(" ");

export function systemMounts(): string[] {
  return [...systemFolders.flatMap((folder) => ["--ro-bind-try", folder, folder]), "--proc", "/proc", "--dev", "/dev"];
}
