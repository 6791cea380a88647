/**
 * How daemon and sidecar know each other on a socket that somebody else may have put in the sidecar's place: each proves
 * that it knows the session's token, and the token itself is never sent. Pure.
 *
 * Daemon → `agentruntime-challenge: D`. Sidecar → its own challenge S, and a proof over both. Daemon, if that one is right
 * → a first message {@link ProofMessage} with a proof of its own. Only then either says anything else.
 */
import { createHmac, timingSafeEqual } from "node:crypto";
import * as z from "zod";

export const challengeHeader = "agentruntime-challenge";
export const proofHeader = "agentruntime-proof";

/** The daemon's first message on a link. */
export const ProofMessage = z.object({ type: z.literal("proof"), data: z.object({ proof: z.string() }) });
export type ProofMessage = z.infer<typeof ProofMessage>;

/** What both have said, in this order; each challenge is new. */
export interface Challenges {
  daemon: string;
  sidecar: string;
}

/** A challenge as it may be; what is longer or other is nobody's. */
export function isChallenge(text: unknown): text is string {
  return typeof text === "string" && /^[A-Za-z0-9_-]{22,64}$/.test(text);
}

/** By whom it is made is part of it: neither's can be sent back as the other's. */
export function linkProof(token: string, by: "daemon" | "sidecar", { daemon, sidecar }: Challenges): string {
  return createHmac("sha256", token).update(`agentruntime link ${by} ${daemon} ${sidecar}`).digest("base64url");
}

export function isProof(given: unknown, expected: string): boolean {
  const [left, right] = [Buffer.from(typeof given === "string" ? given : ""), Buffer.from(expected)];
  return left.length === right.length && timingSafeEqual(left, right);
}
