/** Where a Docker engine is, and by what it is reached. */

export interface EngineAddress {
  /** `unix:///var/run/docker.sock`, `tcp://HOST:PORT`, `ssh://USER@HOST:PORT` */
  host: string;
  /** Folder with `ca.pem`, `cert.pem` and `key.pem`, for an engine that is reached by TLS. */
  certificates: string | undefined;
  /** How long it may take over an answer. */
  answerMs: number;
  /** For `ssh`, where that is the way. */
  environment: Readonly<Record<string, string | undefined>>;
}

/** Whether it may see another file system than we do: whatever is not reached by a socket of this machine. */
export function isRemote({ host }: EngineAddress): boolean {
  return /^[a-z]+:\/\//i.test(host) && !host.startsWith("unix://");
}

/** Of an engine on this machine. */
export function socketPathOf({ host }: Pick<EngineAddress, "host">): string | undefined {
  return /^(?:unix:\/\/)?(\/.+)$/.exec(host)?.[1];
}
