/** By what a session's processes are known: two variables, which whatever an agent starts inherits. */
import { type Bootstrap, dataDirMarker, sessionMarker } from "../protocol/bootstrap.ts";

export interface SessionMarks {
  sessionId: string;
  /** Whose session it is: an id is one session's within a data dir only. Undefined where no daemon started it. */
  dataDirMark?: string | undefined;
}

export function marksOf({ session_id, data_dir_mark }: Pick<Bootstrap, "session_id" | "data_dir_mark">): SessionMarks {
  return { sessionId: session_id, dataDirMark: data_dir_mark };
}

/** The environment with the session's marks in it, and with nobody else's. */
export function marked(env: Readonly<Record<string, string>>, marks: SessionMarks): Record<string, string> {
  const { [dataDirMarker]: _, ...rest } = env;
  const { sessionId, dataDirMark } = marks;
  return {
    ...rest,
    [sessionMarker]: sessionId,
    ...(dataDirMark === undefined ? {} : { [dataDirMarker]: dataDirMark }),
  };
}

/**
 * Whether the environment of a process, as /proc shows it, is one of the session's. One that names no data dir is of a
 * version that named none, and counts for whoever looks for the session.
 */
export function carriesMarks(environment: string, { sessionId, dataDirMark = "" }: SessionMarks): boolean {
  const entries = `\0${environment}`;
  const has = (name: string, value: string) =>
    entries.includes(`\0${Buffer.from(`${name}=${value}`).toString("latin1")}\0`);
  if (!has(sessionMarker, sessionId)) return false;
  return has(dataDirMarker, dataDirMark) || !entries.includes(`\0${dataDirMarker}=`);
}
