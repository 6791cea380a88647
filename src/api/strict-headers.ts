/** What each answer tells a browser: it is no page, of nobody else's, not to be guessed at and not to be kept. */
import type { FastifyReply } from "fastify";

const strict = {
  "content-security-policy": "default-src 'none'; frame-ancestors 'none'; sandbox",
  "cross-origin-resource-policy": "same-origin",
  "x-content-type-options": "nosniff",
  "x-frame-options": "DENY",
  "referrer-policy": "no-referrer",
  // Routes that know better say so.
  "cache-control": "no-store",
};

export function beStrict(reply: FastifyReply): void {
  void reply.headers(strict);
}
