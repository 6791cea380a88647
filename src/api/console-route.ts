/**
 * The web console: the page at `/` and the files that it is made of, read from the build when they are asked for, so that a
 * daemon to which nobody comes by browser holds nothing of it.
 */
import send from "@fastify/send";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { AgentdError } from "../protocol/error.ts";

/** Nothing but our own files and our own answers: no script or style that stands in the page, no code made of text. */
const policy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self'",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
  "require-trusted-types-for 'script'",
  "trusted-types 'none'",
].join("; ");

const pageHeaders = {
  "content-security-policy": policy,
  // Whoever opened us in a window of theirs has no hold of it.
  "cross-origin-opener-policy": "same-origin",
  "permissions-policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
  // The files that it names change with each build: it is asked for anew, and not sent anew.
  "cache-control": "no-cache",
};

/** Their names have a digest of their content: they never change. */
const partName = /^[\w-][\w.-]*$/;
const partHeaders = { "cache-control": "public, max-age=31536000, immutable" };

export function consoleRoute(app: FastifyInstance, { folder }: { folder: string | undefined }): void {
  app.get("/", (request, reply) => sendPart(request, reply, { folder, path: "/index.html", headers: pageHeaders }));
  app.get<{ Params: { file: string } }>("/assets/:file", (request, reply) => {
    const { file } = request.params;
    const path = partName.test(file) ? `/assets/${file}` : undefined;
    return sendPart(request, reply, { folder, path, headers: partHeaders });
  });
}

async function sendPart(
  request: FastifyRequest,
  reply: FastifyReply,
  { folder, path, headers }: { folder: string | undefined; path: string | undefined; headers: Record<string, string> },
): Promise<FastifyReply> {
  const found =
    folder === undefined || path === undefined
      ? undefined
      : await send(request.raw, path, { root: folder, dotfiles: "ignore", index: false, cacheControl: false });
  // Found, not changed, or a part of it.
  if (!found || found.statusCode >= 400)
    throw new AgentdError(
      "not_found",
      `Cannot show the console: there is no ${JSON.stringify(request.url.slice(0, 200))} in this installation of agentd. Load the page again; if that does not help, install agentruntime again`,
    );
  return reply
    .code(found.statusCode)
    .headers({ ...found.headers, ...headers })
    .send(found.stream);
}
