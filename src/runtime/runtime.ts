/** The contract of a runtime: where sidecars run. Types only; a runtime never looks inside an event. */

import type { Duplex } from "node:stream";
import * as z from "zod";
import type { Bootstrap } from "../protocol/bootstrap.ts";
import type { ContainerSpec } from "../protocol/container.ts";
import type { EgressPolicy } from "../protocol/egress.ts";
import type { ResourceLimits } from "../protocol/resources.ts";
import type { SandboxPlan } from "../protocol/sandbox.ts";

const common = {
  session_id: z.string(),
  /** The session's folder on this machine. */
  session_dir: z.string(),
  /** The sidecar's socket on this machine. */
  socket_path: z.string(),
  token: z.string(),
  /** The version of the link's protocol that it speaks; versions of agentd that did not write it down spoke 1. */
  protocol: z.number().default(1),
};

const LocalAddress = z.object({ runtime: z.literal("local"), ...common });

const DockerAddress = z.object({ runtime: z.literal("docker"), ...common });

/** What finds a sidecar again. Known, and on disk, before the sidecar starts. */
export const SidecarAddress = z.discriminatedUnion("runtime", [LocalAddress, DockerAddress]);
export type SidecarAddress = z.infer<typeof SidecarAddress>;

/** How a sidecar ended, as far as its runtime can tell. */
export interface SidecarEnd {
  code: number | null;
  signal: string | null;
  /** In words, when the runtime knows more. */
  reason?: string;
}

/** A sidecar that has been bound to a session. */
export interface SidecarHandle {
  readonly address: SidecarAddress;
  /** Resolves when the sidecar process is gone. Never rejects. */
  readonly gone: Promise<SidecarEnd>;
  /** A connection to the sidecar's server. */
  connect(): Promise<Duplex>;
  /** Ends the sidecar, its agent and all they started, by force; resolves when none is left. */
  destroy(): Promise<void>;
}

/** A session's folders on this machine, and what its place is to be like. */
export interface PlaceSpec {
  sessionId: string;
  sessionDir: string;
  /** Its folder for sockets and other short-lived files. */
  runDir: string;
  /** Undefined for a scratch place of the runtime's own. */
  workDir: string | undefined;
  /** Folder of the agent's private home; undefined leaves it in the person's. */
  privateHome: string | undefined;
  container: ContainerSpec | undefined;
  egress: EgressPolicy | undefined;
}

/** Where the session's key keeper listens, if it has one. */
export interface KeeperSocket {
  /** On this machine. */
  path: string;
  /** The same socket as the sidecar sees it. */
  seenAs: string;
  /** Whoever sees its folder may connect: the sidecar may be another user, and nobody else sees it. */
  isOpen: boolean;
}

/** The same places as the sidecar and its agent see them. */
export interface Place {
  sessionDir: string;
  socketPath: string;
  workDir: string;
  privateHome: string | undefined;
  temporaryDir: string;
  keeperSocket: KeeperSocket;
  /** The file of its login; undefined where the agent has that by itself. */
  loginFile: { path: string; seenAs: string } | undefined;
  /** The folder of the sockets to services outside; undefined where the agent reaches them by itself. */
  hostDoors: { path: string; seenAs: string } | undefined;
  /** Around the agent; undefined where the place itself contains it, or nothing does. */
  sandbox?: SandboxPlan | undefined;
  /** From which the agent's environment takes its allow-list. */
  environment: Readonly<Record<string, string | undefined>>;
  /** The program to start for an agent. */
  programOf(agent: { name: string; command: string | undefined }): string;
}

/** Something of a session's that has outlived it. */
export interface Leftover {
  kind: "container" | "network" | "volume";
  name: string;
  /** Undefined when nothing says whose it was. */
  sessionId: string | undefined;
  /** Of another daemon, whose data dir this was: it is gone. */
  dataDir?: string;
  /** It is told and not removed: an agent of that daemon still runs, or it holds what did not come back to this machine. */
  isKept?: boolean;
  /** It was to be removed, and could not be, or nobody can tell whether it is. */
  hasFailed?: boolean;
}

/** Why something of it is there still. What was thrown says in its message what to do. */
export interface Unremoved {
  /** Undefined when it is no one session's. */
  sessionId: string | undefined;
  error: unknown;
}

export interface Swept {
  leftovers: Leftover[];
  faults: Unremoved[];
}

/** What of the way out of containers may change while sessions run. */
export interface EgressChange {
  /** The proxy by which theirs goes out. */
  upstream: string | undefined;
  /** In PEM: trusted in addition by sessions that begin from now on. */
  extraAuthorities: string;
  /** Of live sessions, by their ids. */
  policies: ReadonlyMap<string, EgressPolicy>;
}

export interface Runtime {
  readonly name: string;
  /** It has a work dir for sessions that ask for none: nothing of it stays. */
  readonly hasScratch: boolean;
  placeOf(spec: PlaceSpec): Place;
  /** The folder on this machine in which the sidecar keeps spool, blobs and raw lines. */
  sidecarDirOf(sessionDir: string): string;
  /** Where the sidecar of this bootstrap will be found. */
  addressOf(bootstrap: Bootstrap, spec: PlaceSpec): SidecarAddress;
  /** Starts a sidecar and binds it. Rejects with an AgentdError `launch_failed` that carries the tail of its stderr. */
  launch(bootstrap: Bootstrap, spec: PlaceSpec): Promise<SidecarHandle>;
  /** Finds a sidecar that an earlier daemon launched; undefined when it is gone. */
  recover(address: SidecarAddress): Promise<SidecarHandle | undefined>;
  /**
   * A session that nobody can attend to: what it needs to live stays, whatever others and the end of this daemon do. Resolves with
   * whether it lives. Rejects when that cannot be found out now: until it can it counts as alive.
   */
  keep(sessionId: string): Promise<boolean>;
  /** The way in which a next daemon came may have taken the limits of those who went on. Throws when they cannot be held. */
  holdLimits(sessionId: string, limits: ResourceLimits): void;
  /**
   * Ends what a dead sidecar left behind: the agent and everything it started. Resolves with a sentence when not all that they
   * did is on this machine: what the sidecar had not told may be among it.
   */
  sweep(sessionId: string): Promise<string | undefined>;
  /** As `sweep`, of a session whose record cannot be read: its sidecar may be alive, and only the folder names it. */
  sweepUnread(sessionId: string, sessionDir: string): Promise<void>;
  /**
   * Ends what is there of this daemon's and belongs to none of these sessions, and says what that was; with `withStrangers`
   * also what is of daemons whose data dirs are gone. What cannot be removed is told with the rest. Rejects when nothing was
   * removed, since it could not be found out what is there.
   */
  sweepOthers(
    liveSessions: ReadonlySet<string>,
    options: { isDryRun: boolean; withStrangers: boolean },
  ): Promise<Swept>;
  /**
   * Holds for the next connections of sessions; those that are open stay. Resolves with the sessions whose policy is another one
   * now. Rejects, with all as it was, when it cannot be.
   */
  changeEgress(change: EgressChange): Promise<{ changed: string[] }>;
  /** The daemon leaves; sidecars go on. */
  close(): Promise<void>;
}
