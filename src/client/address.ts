/** Where a daemon is, and that none answered there. */

export interface DaemonAddress {
  /** `http://host:port`, without a slash at its end. */
  url: string;
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
