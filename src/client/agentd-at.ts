/** Whether what listens on a port is a daemon of ours. */
import { addressOf } from "./daemon-address.ts";
import { getHealth } from "./sessions.ts";

/** It is shown to people, whoever answers. */
const looksLikeOurs = /^[\w.+-]{1,40}$/;

/** Its version. Undefined when it does not answer as we do in time, or not at all. It is shown no token. */
export async function agentdAt(
  { host, port }: { host: string; port: number },
  signal: AbortSignal,
): Promise<string | undefined> {
  const near = ["0.0.0.0", "::"].includes(host) ? "localhost" : host;
  try {
    const url = `http://${near.includes(":") ? `[${near}]` : near}:${port}`;
    const address = await addressOf({ url, token: undefined, source: "listen" });
    const { version } = await getHealth(address, signal);
    return looksLikeOurs.test(version) ? version : undefined;
  } catch {
    // Whatever it is, it is none of ours.
    return undefined;
  }
}
