/** Ends a session in which nobody has said anything for so long. */
import type { Attendance } from "../supervisor/attendance.ts";

/**
 * What the agent tells and what people say counts; heartbeats are not told of. Where the agent works, silence is the
 * watchdog's affair. The answer ends the watch.
 */
export function endWhenIdle(
  attendance: Attendance,
  { idleMs, isClosing }: { idleMs: number; isClosing(): boolean },
): () => void {
  const { session } = attendance;
  let timer: NodeJS.Timeout | undefined;
  const look = () => {
    // A daemon that leaves has let go of it.
    if (!session.isLive || isClosing()) return;
    const { activity } = attendance;
    const isWaiting = activity === "idle" || activity === "awaiting_input";
    const quietMs = Date.now() - Math.max(session.lastActivity ?? 0, session.spec.created_at);
    if (!isWaiting || quietMs < idleMs) return arm(isWaiting ? idleMs - quietMs : idleMs);
    // Whom it asks has gone: the turn would not end by itself.
    attendance.stop(activity === "idle" ? "drain" : "now", "stopped");
    arm(idleMs);
  };
  const arm = (ms: number) => {
    timer = setTimeout(look, Math.max(ms, 50)).unref();
  };
  arm(idleMs);
  return () => clearTimeout(timer);
}
