/** A session's spec → its folders on this machine, for the runtime that gives it a place. */
import type { SessionSpec } from "../protocol/session.ts";
import type { PlaceSpec } from "../runtime/runtime.ts";
import { sessionHome } from "../session/home.ts";
import { type Context, runDirOf } from "./context.ts";

export function placeSpecOf({ config, runDir }: Pick<Context, "config" | "runDir">, spec: SessionSpec): PlaceSpec {
  const { dataDir } = config;
  return {
    sessionId: spec.session_id,
    sessionDir: sessionHome(dataDir, spec.session_id).dir,
    runDir: runDirOf(runDir, spec.session_id),
    // A container has a scratch place of its own.
    workDir: spec.work_dir_is_scratch && spec.container ? undefined : spec.work_dir,
    privateHome: spec.agent_home === "private" ? sessionHome(dataDir, spec.home_of).agentHome : undefined,
    container: spec.container,
    egress: spec.egress,
  };
}
