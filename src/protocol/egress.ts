/** What a session in a container may reach, and what it asked for in vain. */
import * as z from "zod";
import { HostPattern } from "./host-name.ts";
import { HostService } from "./host-service.ts";

const namesMax = 200;
export const HostPatterns = z.array(HostPattern).max(namesMax, `at most ${namesMax} names`);

/** `audit` lets other names pass and reports them; it never opens ports or private ranges. */
export const EgressMode = z.enum(["enforce", "audit"]);
export type EgressMode = z.infer<typeof EgressMode>;

/** One session's policy. */
export const EgressPolicy = z.object({
  mode: EgressMode,
  allow: z.array(z.string()),
  /** Those of them that the request added; absent where an earlier version did not write it down. */
  asked: z.array(z.string()).optional(),
  /** Services outside that it reaches by a door of its own, past the proxy. */
  host_services: z.array(HostService).optional(),
});
export type EgressPolicy = z.infer<typeof EgressPolicy>;

/**
 * Why: the `name` is on no list; `port` other than 443; `method` other than a tunnel; an IP address (`literal`); a name
 * that resolves into a private `range`; a TLS hello that asks for another name than the tunnel (`sni`) or for none
 * (`sni_missing`); a service of the host that is no longer on the operator's list (`host_service`); a tunnel that the
 * operator's own proxy did not make (`upstream`).
 */
export const DenialReason = z.enum([
  "name",
  "port",
  "method",
  "literal",
  "range",
  "sni",
  "sni_missing",
  "unknown_session",
  "host_service",
  "upstream",
]);
export type DenialReason = z.infer<typeof DenialReason>;

/** In place of a host where what came was no request (a `method`): it names none. The port is 0 then. */
export const noHost = "-";

export const Denial = z.object({
  /** Unix ms. */
  at: z.number(),
  host: z.string(),
  port: z.number(),
  reason: DenialReason,
  /** `audited` was let through. */
  verdict: z.enum(["denied", "audited"]),
  /** The name in the TLS hello, where that is the reason. */
  sni: z.string().optional(),
});
export type Denial = z.infer<typeof Denial>;
