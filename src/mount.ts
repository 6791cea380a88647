/** A daemon's routes below a prefix of somebody else's fastify server, behind its hooks. */
import { type IncomingMessage, ServerResponse } from "node:http";
import { Socket } from "node:net";
import type { Duplex } from "node:stream";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";

export interface Mounted {
  isRunning(): boolean;
  handle(request: IncomingMessage, response: ServerResponse, prefix: string): void;
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer, prefix: string): void;
}

type UpgradeListener = (request: IncomingMessage, socket: Duplex, head: Buffer) => void;

/** Those of every mount, of this daemon and others. */
const ours = new WeakSet<object>();

export function mountPlugin(daemon: Mounted): (app: FastifyInstance) => Promise<void> {
  return async (app) => {
    const prefix = plainPrefix(app.prefix);
    const upgrades = new WeakMap<IncomingMessage, { socket: Socket; head: Buffer }>();
    /** Streams and sockets, which end when the session does: a server that closes would wait for them. */
    const held = new Set<{ destroy(): unknown }>();
    const hold = (one: { destroy(): unknown; once(event: "close", gone: () => void): unknown }) => {
      held.add(one);
      one.once("close", () => held.delete(one));
    };
    // Bodies are read by the daemon, within its own bounds.
    app.removeAllContentTypeParsers();
    app.addContentTypeParser("*", (_request, _payload, done) => done(null));
    const take = (request: FastifyRequest, reply: FastifyReply) => {
      const { raw } = request;
      // The router takes a prefix that is written in escapes; cutting it off would cut at the wrong place.
      if (!isBelow(prefix, raw.url)) return reply.callNotFound();
      if (!daemon.isRunning())
        return reply
          .code(503)
          .send({ error: "shutting_down", message: "Cannot answer: the daemon is not running here. Try again" });
      reply.hijack();
      const upgrade = upgrades.get(raw);
      upgrades.delete(raw);
      hold(upgrade?.socket ?? reply.raw);
      if (upgrade) {
        reply.raw.detachSocket(upgrade.socket);
        daemon.upgrade(raw, upgrade.socket, upgrade.head, prefix);
      } else daemon.handle(raw, reply.raw, prefix);
      return reply;
    };
    // Behind the hooks of the server, and before the handler: @fastify/websocket puts its own in the place of each.
    app.addHook("preHandler", async (request, reply) => (upgrades.has(request.raw) ? take(request, reply) : undefined));
    app.all("/*", take);
    const onUpgrade: UpgradeListener = (request, socket, head) => {
      const isHere = isBelow(prefix, request.url);
      if (isHere && socket instanceof Socket) upgrades.set(request, { socket, head });
      // @fastify/websocket brings every upgrade to its route by itself.
      if (app.hasDecorator("websocketServer")) return;
      if (isHere || isNobodyElses(app, onUpgrade)) toRoute(app, request, socket);
    };
    ours.add(onUpgrade);
    // Before a listener that would refuse what it has no route for.
    app.server.prependListener("upgrade", onUpgrade);
    app.addHook("preClose", async () => {
      app.server.off("upgrade", onUpgrade);
      for (const one of held) one.destroy();
    });
  };
}

/** Once somebody listens to upgrades, Node answers no request that asks for one: without us it would have been answered. */
function isNobodyElses({ server }: FastifyInstance, listener: UpgradeListener): boolean {
  const listeners = server.listeners("upgrade");
  return listeners[0] === listener && listeners.every((one) => ours.has(one));
}

/** As any other request, hooks and all; what answers it instead of taking its socket has the last word on it. */
function toRoute(app: FastifyInstance, request: IncomingMessage, socket: Duplex): void {
  socket.on("error", () => socket.destroy());
  if (!(socket instanceof Socket)) return;
  const response = new ServerResponse(request);
  response.shouldKeepAlive = false;
  response.assignSocket(socket);
  response.once("finish", () => socket.end());
  app.routing(request, response);
}

function plainPrefix(prefix: string): string {
  if (/[:*(]/.test(prefix))
    throw new Error(
      `Cannot mount the daemon below ${JSON.stringify(prefix)}: it has parameters. Choose a plain prefix`,
    );
  return prefix.replace(/\/+$/, "");
}

function isBelow(prefix: string, url = ""): boolean {
  return url.startsWith(`${prefix}/`);
}
