/** Requests that came by somebody else's server, below a prefix of it: what is told of addresses begins with that. */
import type { IncomingMessage } from "node:http";

const prefixes = new WeakMap<IncomingMessage, string>();

/** Takes the prefix off the request's address. */
export function enter(request: IncomingMessage, prefix: string): void {
  request.url = (request.url ?? "").slice(prefix.length) || "/";
  prefixes.set(request, prefix);
}

export function prefixOf(request: IncomingMessage): string {
  return prefixes.get(request) ?? "";
}
