/** What the daemon's sessions were refused by the proxy. */
import * as z from "zod";
import { EgressEntry, EgressInForce } from "../protocol/http.ts";
import type { DaemonAddress } from "./address.ts";
import { callDaemon } from "./http.ts";

export function listEgress(address: DaemonAddress, session: string | undefined): Promise<EgressEntry[]> {
  const query = session === undefined ? "" : `?${new URLSearchParams({ session })}`;
  return callDaemon(address, { path: `/egress${query}` }, z.array(EgressEntry));
}

export function reloadEgress(address: DaemonAddress): Promise<EgressInForce> {
  return callDaemon(address, { path: "/egress/reload", method: "POST", body: {} }, EgressInForce);
}
