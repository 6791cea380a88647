/** What doctor looks at, and what it finds. */
import type { Config } from "../config.ts";

/** `note` is neither good nor bad: something that cannot be told, or that is not there and need not be. */
export type FindingStatus = "ok" | "note" | "warning" | "wrong";

export interface Finding {
  /** `machine`, or the name of an agent. */
  about: string;
  check: string;
  status: FindingStatus;
  found: string;
  /** What to do about it. */
  advice?: string;
}

export interface Examined {
  /** Undefined when it cannot be read: what depends on it is left out. */
  config: Config | undefined;
  configFault: string | undefined;
  dataDir: string;
  environment: Readonly<Record<string, string | undefined>>;
  /** Of this agentd. */
  version: string;
}

/** Never rejects for what it finds; a check that cannot be made is a finding as well. */
export type Check = (examined: Examined) => Promise<Finding[]>;

export function machine(check: string, status: FindingStatus, found: string, advice?: string): Finding {
  return finding("machine", check, status, found, advice);
}

export function finding(about: string, check: string, status: FindingStatus, found: string, advice?: string): Finding {
  return { about, check, status, found, ...(advice === undefined ? {} : { advice }) };
}
