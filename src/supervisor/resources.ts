/** What a session may use: what it asks for, within what the operator permits, where the machine lets us hold it. Pure. */
import type { Config } from "../config.ts";
import type { LimitSupport } from "../process/group-limits.ts";
import { AgentdError } from "../protocol/error.ts";
import type { SessionRequest } from "../protocol/http.ts";
import { limitKeys, limitKinds, type ResourceLimits } from "../protocol/resources.ts";

/**
 * A limit that was asked for and cannot be held is refused. One of the operator's that cannot be held was told at the
 * start; it is left out here, so that the view shows what is true.
 */
export function resourcesOf(
  { resources = {} }: Pick<SessionRequest, "resources">,
  { limits }: Pick<Config, "limits">,
  support: LimitSupport,
): ResourceLimits | undefined {
  const permitted = { memory: limits.session_memory, cpus: limits.session_cpus, pids: limits.session_pids };
  const held: ResourceLimits = {};
  for (const kind of limitKinds) {
    const asked = resources[kind];
    const most = permitted[kind];
    if (asked !== undefined && most !== undefined && asked > most) {
      throw new AgentdError(
        "invalid_request",
        `Cannot give resources.${kind} ${asked} to a session: at most ${most} is permitted here (limits.session_${kind}). Ask for less, or leave it out`,
      );
    }
    const can = support[kind];
    if (asked !== undefined && can !== true) {
      throw new AgentdError(
        "unsupported_by_runtime",
        `Cannot hold resources.${kind} with the runtime "local": ${can}. Leave it out, or ask for another runtime`,
      );
    }
    const value = asked ?? most;
    if (value !== undefined && can === true) held[limitKeys[kind]] = value;
  }
  return Object.keys(held).length === 0 ? undefined : held;
}

/** What the operator asks for and this machine cannot hold: a sentence each. */
export function unheldLimits({ limits }: Pick<Config, "limits">, support: LimitSupport): string[] {
  return limitKinds.flatMap((kind) => {
    const can = support[kind];
    return limits[`session_${kind}`] === undefined || can === true
      ? []
      : [`Cannot hold limits.session_${kind}: ${can}. Sessions run without that limit`];
  });
}
