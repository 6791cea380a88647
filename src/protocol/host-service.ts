/** One service outside of a container that a session reaches by a door of its own, and by nothing else. */
import * as z from "zod";

export const hostServiceName = z.string().regex(/^[a-z0-9][a-z0-9_-]{0,31}$/, "1 to 32 small letters, digits, dashes");

/** A session has a socket for each, whose name is one digit: see {@link doorName}. */
export const hostServicesMax = 16;

export const HostService = z.strictObject({
  name: hostServiceName,
  /** Where it listens; this machine by default. */
  host: z.string().min(1).default("127.0.0.1"),
  /** The same outside and inside of the container. */
  port: z.number().int().min(1).max(65_535),
});
export type HostService = z.infer<typeof HostService>;

/** The sidecar's end of one: a loopback port whose bytes go to and from a socket. */
export const HostDoor = z.object({ port: z.number().int(), socket_path: z.string() });
export type HostDoor = z.infer<typeof HostDoor>;

/** Paths of sockets must be short. */
export function doorName(index: number): string {
  return index.toString(36);
}
