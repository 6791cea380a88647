/** Who may talk to a sidecar. Pure. */
import { createHash, timingSafeEqual } from "node:crypto";
import type { IncomingHttpHeaders } from "node:http";

export interface AccessRules {
  /** Asked for as a bearer token; nobody is asked when it is empty. */
  token: string;
  /** On a TCP port any web page could reach it: only requests that name this machine and come from no other site pass. */
  isOnPort: boolean;
}

/** What is asked for: a daemon's link to a sidecar that the daemon started is not had for the token alone. */
interface Asked extends AccessRules {
  isLink?: boolean;
}

export interface Refusal {
  status: 401 | 403;
  message: string;
}

const ownNames = ["localhost", "127.0.0.1", "[::1]"];

/** Why a request is refused; undefined when it is not. */
export function refusal(headers: IncomingHttpHeaders, rules: Asked): Refusal | undefined {
  if (rules.isOnPort) {
    if (!isOwnName(`http://${headers.host ?? ""}`)) return { status: 403, message: "forbidden host" };
    if (headers.origin !== undefined && !isOwnName(headers.origin)) return { status: 403, message: "forbidden origin" };
  }
  if (rules.isLink && !rules.isOnPort) return { status: 401, message: "unauthorized: a link begins with a challenge" };
  if (rules.token !== "" && !isSameSecret(bearerOf(headers), rules.token))
    return { status: 401, message: "unauthorized" };
  return undefined;
}

function isOwnName(url: string): boolean {
  const { hostname } = URL.canParse(url) ? new URL(url) : { hostname: "" };
  return ownNames.includes(hostname);
}

function bearerOf(headers: IncomingHttpHeaders): string {
  return /^Bearer (.+)$/i.exec(headers.authorization ?? "")?.[1] ?? "";
}

/** Compares digests: they have one length, and how long it takes says nothing about the secret. */
function isSameSecret(given: string, expected: string): boolean {
  const digest = (text: string) => createHash("sha256").update(text).digest();
  return timingSafeEqual(digest(given), digest(expected));
}
