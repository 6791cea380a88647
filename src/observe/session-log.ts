/** What the daemon's diagnostics say of sessions: a logger for each, which names it, and a line at its turns of life. */
import { defined } from "../protocol/defined.ts";
import type { Session } from "../session/session.ts";
import { traceOf } from "../session/trace-context.ts";
import type { SessionWatch } from "../session/watch.ts";
import type { Fields, Level, Logger } from "./logger.ts";

export interface SessionLog {
  readonly watch: SessionWatch;
  /** A line of the daemon's; through its session's logger when it names one. */
  log(level: Level, message: string, fields?: Fields): void;
}

export function createSessionLog(root: Logger): SessionLog {
  const children = new Map<string, Logger>();
  const paused = new Set<string>();
  const goOn = (id: string) => {
    if (paused.delete(id) && paused.size === 0) root.log("info", "there is room on the disk again, sessions go on");
  };
  const of = (session: Session): Logger => children.get(session.id) ?? root.child(namesOf(session));
  return {
    watch: {
      opened: (session) => void children.set(session.id, root.child(namesOf(session))),
      launched: (session, { isAdopted }) =>
        of(session).log("info", isAdopted ? "session taken over" : "session started", {
          runtime: session.spec.runtime,
          work_dir: session.spec.work_dir,
        }),
      begun: () => undefined,
      told: (session, event) => {
        if (event.type === "result")
          of(session).log("debug", "turn ended", { turn_id: event.data.turn_id, status: event.data.status });
      },
      // They share a disk: what is true of the first that waits is soon true of all.
      paused: ({ id }, isPaused) => {
        if (!isPaused) return goOn(id);
        paused.add(id);
        if (paused.size === 1)
          root.log("warn", "the disk is full: sessions wait until there is room", { session_id: id });
      },
      ended: (session) => {
        const { state, logError } = session;
        const logger = of(session);
        children.delete(session.id);
        goOn(session.id);
        if (state.at !== "ended") return;
        logger.log("info", "session ended", {
          status: state.status,
          end_reason: state.reason,
          exit_code: state.exitCode,
          ...defined({ log_error: logError?.message }),
        });
      },
      released: ({ id }) => {
        children.delete(id);
        paused.delete(id);
      },
    },
    log: (level, message, fields = {}) => {
      const { session_id, ...rest } = fields;
      const child = typeof session_id === "string" ? children.get(session_id) : undefined;
      if (child) child.log(level, message, rest);
      else root.log(level, message, fields);
    },
  };
}

function namesOf({ id, spec }: Session): Fields {
  return {
    session_id: id,
    agent: spec.agent,
    ...(spec.traceparent === undefined ? {} : { trace_id: traceOf({ id, traceparent: spec.traceparent }).traceId }),
  };
}
