/** `fetch` by a Unix socket. For the commands: the library that others import runs where there are none. */
import type { Fetch } from "./address.ts";

export async function socketFetch(socketPath: string): Promise<Fetch> {
  const { Agent, fetch } = await import("undici");
  const dispatcher = new Agent({ connect: { socketPath } });
  return (url, init) => fetch(url, { ...init, dispatcher });
}
