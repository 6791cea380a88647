/** A daemon's routes below a prefix of somebody else's fastify server. */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Duplex } from "node:stream";
import type { FastifyPluginAsync } from "fastify";

export interface Mounted {
  handle(request: IncomingMessage, response: ServerResponse, prefix: string): void;
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer, prefix: string): void;
}

export function mountPlugin(daemon: Mounted): FastifyPluginAsync {
  return async (app) => {
    const { prefix } = app;
    /** Streams and sockets, which end when the session does: a server that closes would wait for them. */
    const held = new Set<{ destroy(): unknown }>();
    const hold = (one: { destroy(): unknown; once(event: "close", gone: () => void): unknown }) => {
      held.add(one);
      one.once("close", () => held.delete(one));
    };
    // Bodies are read by the daemon, within its own bounds.
    app.removeAllContentTypeParsers();
    app.addContentTypeParser("*", (_request, _payload, done) => done(null));
    app.all("/*", (request, reply) => {
      reply.hijack();
      // A server with sockets of its own brings upgrades here too; this one has gone its way already.
      if (isUpgrade(request.raw)) return;
      hold(reply.raw);
      daemon.handle(request.raw, reply.raw, prefix);
    });
    const onUpgrade = (request: IncomingMessage, socket: Duplex, head: Buffer) => {
      if (!isBelow(prefix, request.url)) return;
      hold(socket);
      daemon.upgrade(request, socket, head, prefix);
    };
    // Before a listener that would refuse what it has no route for.
    app.server.prependListener("upgrade", onUpgrade);
    app.addHook("preClose", async () => {
      app.server.off("upgrade", onUpgrade);
      for (const one of held) one.destroy();
    });
  };
}

function isUpgrade({ headers }: IncomingMessage): boolean {
  return headers.upgrade !== undefined && /\bupgrade\b/i.test(headers.connection ?? "");
}

function isBelow(prefix: string, url = ""): boolean {
  return url.startsWith(`${prefix}/`);
}
