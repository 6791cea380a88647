/** Who may call: the Host, the Origin and the token of a request, checked before it is routed. */
import { createHash, timingSafeEqual } from "node:crypto";
import type { FastifyRequest } from "fastify";
import { AgentdError } from "../protocol/error.ts";
import { isLoopback } from "../protocol/loopback.ts";

export interface GuardOptions {
  listenHost: string;
  servedNames: readonly string[];
  /** Undefined under `--no-auth`. */
  token: string | undefined;
}

/** Throws `forbidden_host`, `forbidden_origin` or `unauthorized`. */
export function checkCaller(request: FastifyRequest, options: GuardOptions): void {
  const host = request.headers.host ?? "";
  const name = hostName(host);
  const isServed =
    name !== undefined &&
    (isLoopback(name) || [options.listenHost, ...options.servedNames].some((served) => served.toLowerCase() === name));
  if (!isServed && request.routeOptions.config.isProbe !== true) {
    throw new AgentdError(
      "forbidden_host",
      `Cannot serve the host ${JSON.stringify(host.slice(0, 200))}: use localhost, or add its name to served_names in the configuration`,
    );
  }
  const { origin } = request.headers;
  if (origin !== undefined && origin !== `http://${host}` && origin !== `https://${host}`) {
    throw new AgentdError(
      "forbidden_origin",
      `Cannot serve a page of ${JSON.stringify(origin.slice(0, 200))}: only pages of this daemon may call it`,
    );
  }
  if (options.token === undefined || request.routeOptions.config.isOpen === true) return;
  const given = /^Bearer (.+)$/i.exec(request.headers.authorization ?? "")?.[1];
  if (given === undefined || !isSame(given, options.token)) {
    throw new AgentdError(
      "unauthorized",
      `${given === undefined ? "No token was sent" : "The token sent is not valid"}: send the header "Authorization: Bearer TOKEN"; "agentd token" prints it`,
    );
  }
}

/** The name in a Host header, lower case, without port; undefined when it is malformed. */
function hostName(host: string): string | undefined {
  const found = /^(\[[0-9a-f:.]+\]|[a-z0-9.-]+)(?::\d{1,5})?$/i.exec(host);
  return found?.[1]?.toLowerCase();
}

/** Compares digests, so that neither length nor content shows in the time it takes. */
function isSame(given: string, token: string): boolean {
  const digest = (text: string) => createHash("sha256").update(text).digest();
  return timingSafeEqual(digest(given), digest(token));
}
