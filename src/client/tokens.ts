/** Named tokens of the daemon. */
import * as z from "zod";
import { type Scope, TokenCreated, TokenView } from "../protocol/access.ts";
import { defined } from "../protocol/defined.ts";
import type { DaemonAddress } from "./address.ts";
import { callDaemon } from "./http.ts";

export function listTokens(address: DaemonAddress): Promise<TokenView[]> {
  return callDaemon(address, { path: "/tokens" }, z.array(TokenView));
}

export function createToken(
  address: DaemonAddress,
  { name, scope, expiresIn }: { name: string; scope: Scope; expiresIn: string | undefined },
): Promise<TokenCreated> {
  const body = { name, scope, ...defined({ expires_in: expiresIn }) };
  return callDaemon(address, { method: "POST", path: "/tokens", body }, TokenCreated);
}

export function rotateToken(address: DaemonAddress, name: string): Promise<TokenCreated> {
  return callDaemon(address, { method: "POST", path: `/tokens/${encodeURIComponent(name)}/rotate` }, TokenCreated);
}

export async function revokeToken(address: DaemonAddress, name: string): Promise<void> {
  await callDaemon(address, { method: "DELETE", path: `/tokens/${encodeURIComponent(name)}` }, z.unknown());
}
