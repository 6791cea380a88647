/** How a session's folders get to its container, what comes back of them, and the way to its sidecar: mounted, or copied. */
import type { Duplex } from "node:stream";
import type Docker from "dockerode";
import type { Bootstrap } from "../../protocol/bootstrap.ts";
import type { PlaceSpec, SidecarAddress } from "../runtime.ts";
import type { Owner } from "./owner.ts";

export interface Guest {
  spec: PlaceSpec;
  bootstrap: Bootstrap;
  image: string;
  owner: Owner;
}

/** What a session's container has of this machine. */
export interface Furnished {
  mounts: Docker.MountSettings[];
  /** Further places in memory, with their options. */
  temporary: Record<string, string>;
  /** The file of authorities as it is called inside; undefined where the image's own will do. */
  authorities: string | undefined;
}

/** Folders for a container that waits for a session. */
export interface Prepared {
  furnished: Furnished;
  /** They become the session's. Rejects when it has some already: then they are nobody's. */
  moveTo(spec: PlaceSpec): Promise<void>;
  remove(): Promise<void>;
}

/** What of a session's container is decided before the session is there. */
export interface Prospect {
  image: string;
  owner: Owner;
  workDir: string | undefined;
  authorities: string | undefined;
  /** Where sessions have their folders for short-lived files. */
  runRoot: string;
}

export interface Premises {
  /** Rejects for the first of these folders of this machine that no container can have. */
  admit(folders: readonly string[]): Promise<void>;
  /** As whom the container runs. */
  ownerFor(workDir: string | undefined): Promise<Owner>;
  /** Rejects when something that the session has cannot be there. */
  furnish(guest: Guest): Promise<Furnished>;
  /** Undefined where folders cannot be moved under a container that runs. */
  readonly prepare: ((prospect: Prospect) => Promise<Prepared>) | undefined;
  connect(address: SidecarAddress, containerId: string): Promise<Duplex>;
  /** The container has ended: what it left is on this machine when this resolves. Nothing where it is already. */
  retrieve(sessionId: string): Promise<void>;
  /** The container is gone: so is what was made for it, unless it could not be retrieved. */
  clear(sessionId: string): Promise<void>;
  /** What was made for containers, of all sessions. */
  list(): Promise<{ name: string; sessionId: string | undefined }[]>;
}
