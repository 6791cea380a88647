/** Whoever makes a request, once it is known who that is. */
import { type Scope, unnamedCallers } from "../protocol/access.ts";

export interface Caller {
  /** As the audit log calls it. */
  readonly name: string;
  readonly scope: Scope;
  /** Of a named token. */
  readonly tokenId?: string;
  /** What let it in, which may be revoked, replaced or expire while its calls last; absent where none is asked for. */
  readonly secretId?: string;
  readonly expiresAt?: number;
}

/** Whoever calls a daemon that asks for no token. */
export const anyCaller: Caller = { name: unnamedCallers.anyone, scope: "admin" };
