/** The daemon's agents. */
import * as z from "zod";
import { AgentView } from "../protocol/http.ts";
import type { DaemonAddress } from "./address.ts";
import { callDaemon } from "./http.ts";

/** With `workDir`, the agents that this folder adds as well. */
export function listAgents(address: DaemonAddress, workDir: string | undefined): Promise<AgentView[]> {
  const query = workDir === undefined ? "" : `?${new URLSearchParams({ work_dir: workDir })}`;
  return callDaemon(address, { path: `/agents${query}` }, z.array(AgentView));
}
