/** What a service manager wants to know (sd_notify), told by its own little program: Node has no datagrams on Unix sockets. */
import { execa } from "execa";

const readyMs = 5_000;
/** A daemon that leaves waits for it: it is to be gone within 2 s. */
const stoppingMs = 1_500;

export interface ServiceManager {
  /** Sessions are taken over, the daemon listens. Rejects when it could not be told. */
  ready(): Promise<void>;
  /** The daemon is about to leave. Rejects when it could not be told in a short time. */
  stopping(): Promise<void>;
}

/** Undefined when nobody asked to be told. */
export function serviceManager(environment: Readonly<Record<string, string | undefined>>): ServiceManager | undefined {
  const { NOTIFY_SOCKET, PATH } = environment;
  if (!NOTIFY_SOCKET) return undefined;
  const tell = async (state: string, timeout: number) => {
    const env = { NOTIFY_SOCKET, ...(PATH === undefined ? {} : { PATH }) };
    await execa("systemd-notify", [`--pid=${process.pid}`, state], { env, extendEnv: false, timeout });
  };
  return { ready: () => tell("--ready", readyMs), stopping: () => tell("STOPPING=1", stoppingMs) };
}
