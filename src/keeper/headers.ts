/** Headers on their way through the keeper: the stand-in becomes the key, and never the other way out. Pure. */
import { timingSafeEqual } from "node:crypto";
import type { IncomingHttpHeaders } from "node:http";

type Headers = Record<string, string | string[]>;

/** What belongs to one connection, not to the message (RFC 9110, 7.6.1), and what the forwarder sets itself. */
const ofTheHop = new Set([
  "connection",
  "keep-alive",
  "proxy-authenticate",
  "proxy-authorization",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
  "expect",
  "host",
]);

const bearer = /^(Bearer )?(.*)$/is;

/** Without the stand-in as a whole value or a bearer token, a request is not from the session's agent. */
export function hasStandIn(headers: IncomingHttpHeaders, standIn: string): boolean {
  return forwarded(headers).some(
    ([, value]) => typeof value === "string" && isSame(bearer.exec(value)?.[2] ?? "", standIn),
  );
}

/** The headers for the service, with the key wherever the stand-in was the whole value or a bearer token. */
export function withKey(headers: IncomingHttpHeaders, words: { standIn: string; key: string }): Headers {
  return Object.fromEntries(
    forwarded(headers).map(([name, value]) => {
      const [, scheme = "", word = ""] = typeof value === "string" ? (bearer.exec(value) ?? []) : [];
      return [name, isSame(word, words.standIn) ? `${scheme}${words.key}` : value];
    }),
  );
}

/** The headers for the agent. A service that repeats the key there says the stand-in instead. */
export function withoutKey(headers: IncomingHttpHeaders, words: { standIn: string; key: string }): Headers {
  const hidden = (text: string) => text.replaceAll(words.key, words.standIn);
  return Object.fromEntries(
    forwarded(headers).map(([name, value]) => [name, Array.isArray(value) ? value.map(hidden) : hidden(value)]),
  );
}

function forwarded(headers: IncomingHttpHeaders): [string, string | string[]][] {
  const named = new Set(
    String(headers.connection ?? "")
      .toLowerCase()
      .split(/\s*,\s*/),
  );
  return Object.entries(headers).flatMap(([name, value]) =>
    value === undefined || ofTheHop.has(name) || named.has(name) ? [] : [[name, value] as [string, string | string[]]],
  );
}

function isSame(a: string, b: string): boolean {
  const [left, right] = [Buffer.from(a), Buffer.from(b)];
  return left.length === right.length && timingSafeEqual(left, right);
}
