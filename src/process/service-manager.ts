/** What a service manager wants to know (sd_notify), told by its own little program: Node has no datagrams on Unix sockets. */
import { execa } from "execa";

const tellMs = 5_000;

export interface ServiceManager {
  /** Sessions are taken over, the daemon listens. Rejects when it could not be told. */
  ready(): Promise<void>;
  /** The daemon is about to leave. */
  stopping(): Promise<void>;
}

/** Undefined when nobody asked to be told. */
export function serviceManager(environment: Readonly<Record<string, string | undefined>>): ServiceManager | undefined {
  const { NOTIFY_SOCKET, PATH } = environment;
  if (!NOTIFY_SOCKET) return undefined;
  const tell = async (...states: string[]) => {
    const env = { NOTIFY_SOCKET, ...(PATH === undefined ? {} : { PATH }) };
    await execa("systemd-notify", [`--pid=${process.pid}`, ...states], { env, extendEnv: false, timeout: tellMs });
  };
  return { ready: () => tell("--ready"), stopping: () => tell("STOPPING=1") };
}
