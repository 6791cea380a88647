/** Where a daemon is, and that none answered there. */

/** What is used of `fetch`. */
export type Fetch = (
  url: string,
  init: { method: string; headers: Record<string, string>; body?: string; signal?: AbortSignal },
) => Promise<Response>;

export interface DaemonAddress {
  /** `http://host:port`, without a slash at its end; or `unix:PATH`. */
  url: string;
  /** How to reach a Unix socket. */
  fetch?: Fetch;
  token: string | undefined;
  /** Where the URL came from, for messages: `--url`, `daemon.json in /…`. */
  source: string;
}

/** No daemon answered, or none is known. `named` tells whether somebody said which daemon it should be. */
export class DaemonUnreachable extends Error {
  readonly named: boolean;

  constructor(message: string, options: { named: boolean; cause?: unknown }) {
    super(message, options.cause === undefined ? {} : { cause: options.cause });
    this.name = "DaemonUnreachable";
    this.named = options.named;
  }
}
