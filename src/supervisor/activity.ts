/** What a session does, as it is shown: by what its sidecar last said of the agent, and by what waits. */
import type { SidecarStatus } from "../protocol/link-frame.ts";
import type { SessionActivity } from "../protocol/session.ts";
import type { Session } from "../session/session.ts";

export interface Doing {
  session: Session;
  agent: SidecarStatus["activity"];
  /** No turn is open or queued. */
  isEmpty: boolean;
}

export function activityOf({ session, agent, isEmpty }: Doing): SessionActivity {
  if (session.isPaused) return "paused";
  if (session.inputs.open.length > 0) return "awaiting_input";
  switch (agent) {
    case "retrying":
    case "awaiting_input":
    case "busy":
      return agent;
    case "idle":
    case "ended":
    case "starting":
      return isEmpty ? "idle" : "busy";
    default:
      return agent satisfies never;
  }
}
