/** Who may call: the Host, the Origin and the token of a request, and what that token is good for, before anything is done. */
import type { FastifyRequest } from "fastify";
import * as z from "zod";
import { anyCaller, type Caller } from "../access/caller.ts";
import type { RequestRate } from "../access/request-rate.ts";
import type { Tickets, TicketUse } from "../access/tickets.ts";
import type { Tokens } from "../access/tokens.ts";
import { covers, type Scope } from "../protocol/access.ts";
import { AgentdError } from "../protocol/error.ts";
import { isLoopback } from "../protocol/loopback.ts";
import { type RouteAccess, routeTable } from "./route-table.ts";

export interface GuardOptions {
  listenHost: string;
  servedNames: readonly string[];
  tokens: Tokens;
  /** False under `--no-auth`. */
  isRequired: boolean;
  tickets: Tickets;
  rate: RequestRate;
}

/** What is asked for where no route is: whoever learns that there is none is let in. */
const elsewhere: RouteAccess = { scope: "read" };

const callers = new WeakMap<FastifyRequest, Caller>();

/** Throws `invalid_request`, `forbidden_host`, `forbidden_origin`, `unauthorized`, `rate_limited` or `insufficient_scope`. */
export function checkCaller(request: FastifyRequest, options: GuardOptions): void {
  const access = accessOf(request);
  checkOneHost(request);
  if (access.isProbe !== true) checkHost(request, options);
  if (!isVisit(request, access)) checkOrigin(request);
  if (access.scope === "open") return;
  const caller = options.isRequired ? identify(request, access, options) : anyCaller;
  callers.set(request, caller);
  options.rate.take(caller);
  checkScope(caller, access.scope, "this");
}

/** Whoever made a request that the guard let through. */
export function callerOf(request: FastifyRequest): Caller {
  const caller = callers.get(request);
  if (!caller) throw new Error("a request was answered that nobody looked at");
  return caller;
}

export function knownCaller(request: FastifyRequest): Caller | undefined {
  return callers.get(request);
}

/** `act` is what was wanted, such as `send a prompt`. */
export function checkScope(caller: Caller, needed: Scope, act: string): void {
  if (covers(caller.scope, needed)) return;
  throw new AgentdError(
    "insufficient_scope",
    `Cannot do ${act} with the token "${caller.name}": it has the scope "${caller.scope}", and "${needed}" is needed. Use another; "agentd token create" makes one`,
  );
}

export function accessOf(request: FastifyRequest): RouteAccess {
  const { url } = request.routeOptions;
  return (url === undefined ? undefined : routeTable[`${request.method} ${url}`]) ?? elsewhere;
}

/** Two hosts in one request are for two readers that each take another: which was meant nobody can tell. */
function checkOneHost({ raw: { url = "/", rawHeaders } }: FastifyRequest): void {
  const hosts = rawHeaders.filter((name, at) => at % 2 === 0 && name.toLowerCase() === "host");
  if (url.startsWith("/") && hosts.length <= 1) return;
  throw new AgentdError(
    "invalid_request",
    `Cannot serve the request: it names ${hosts.length > 1 ? "two hosts" : "a host in its address"}. Send one Host, and the path alone`,
  );
}

function checkHost(request: FastifyRequest, { listenHost, servedNames }: GuardOptions): void {
  const host = request.headers.host ?? "";
  const name = hostName(host);
  const isServed =
    name !== undefined &&
    (isLoopback(name) || [listenHost, ...servedNames].some((served) => served.toLowerCase() === name));
  if (isServed) return;
  throw new AgentdError(
    "forbidden_host",
    `Cannot serve the host ${JSON.stringify(host.slice(0, 200))}: use localhost, or add its name to served_names in the configuration`,
  );
}

/** Somebody follows a link to a page of ours, from wherever: it opens as a window, not within theirs, and they learn nothing of it. */
function isVisit({ headers }: FastifyRequest, { isPage }: RouteAccess): boolean {
  if (isPage !== true || headers.origin !== undefined) return false;
  return headers["sec-fetch-mode"] === "navigate" && headers["sec-fetch-dest"] === "document";
}

/** Browsers say where a page is from by one header or the other; programs send neither. */
function checkOrigin(request: FastifyRequest): void {
  const { host, origin } = request.headers;
  const site = request.headers["sec-fetch-site"];
  const isOwn = origin === undefined || origin === `http://${host}` || origin === `https://${host}`;
  if (isOwn && (site === undefined || site === "none" || site === "same-origin")) return;
  throw new AgentdError(
    "forbidden_origin",
    `Cannot serve a page of ${origin === undefined ? "another site" : JSON.stringify(origin.slice(0, 200))}: only pages of this daemon may call it`,
  );
}

function identify(request: FastifyRequest, access: RouteAccess, { tokens, tickets }: GuardOptions): Caller {
  const given = /^Bearer (.+)$/i.exec(request.headers.authorization ?? "")?.[1];
  if (given !== undefined) {
    const caller = tokens.callerWith(given);
    if (caller) return caller;
  } else if (access.takesTicket === true) {
    const caller = ticketHolder(request, tickets);
    if (caller && tokens.isGood(caller)) return caller;
  }
  throw new AgentdError(
    "unauthorized",
    `${given === undefined ? "No token was sent" : "The token sent is not valid"}: send the header "Authorization: Bearer TOKEN"; "agentd token" prints it`,
  );
}

const Ticketed = z.object({ ticket: z.string() });
const OfStream = z.union([
  z.object({ id: z.string() }).transform(({ id }): TicketUse => ({ kind: "session", name: id })),
  z.object({ name: z.string() }).transform(({ name }): TicketUse => ({ kind: "chat", name })),
]);

function ticketHolder(request: FastifyRequest, tickets: Tickets): Caller | undefined {
  const query = Ticketed.safeParse(request.query);
  const use = OfStream.safeParse(request.params);
  return query.success && use.success ? tickets.take(query.data.ticket, use.data) : undefined;
}

/** The name in a Host header, lower case, without port; undefined when it is malformed. */
function hostName(host: string): string | undefined {
  const found = /^(\[[0-9a-f:.]+\]|[a-z0-9.-]+)(?::\d{1,5})?$/i.exec(host);
  return found?.[1]?.toLowerCase();
}
