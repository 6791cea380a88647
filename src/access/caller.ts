/** Whoever makes a request, once it is known who that is. */
import { type Scope, unnamedCallers } from "../protocol/access.ts";

export interface Caller {
  /** As the audit log calls it. */
  readonly name: string;
  readonly scope: Scope;
  /** Of a named token: it may be revoked, or expire, while its calls last. */
  readonly tokenId?: string;
  readonly expiresAt?: number;
}

/** Whoever has the token of the token file. */
export const fileCaller: Caller = { name: unnamedCallers.file, scope: "admin" };

/** Whoever calls a daemon that asks for no token. */
export const anyCaller: Caller = { name: unnamedCallers.anyone, scope: "admin" };
