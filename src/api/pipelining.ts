/**
 * HTTP/1.1 lets a client send requests on without waiting for answers, and Node begins each as it comes: what waits for
 * the disk or a long poll would pile up behind one connection.
 */
import type { Socket } from "node:net";
import type { FastifyInstance, FastifyRequest } from "fastify";

/** Requests of one connection that are not answered yet; with one more it is closed. */
const underWayMax = 100;

export function boundPipelines(app: FastifyInstance): void {
  const underWay = new WeakMap<Socket, number>();
  const count = ({ raw: { socket } }: FastifyRequest, step: 1 | -1) => {
    const now = (underWay.get(socket) ?? 0) + step;
    underWay.set(socket, now);
    if (now > underWayMax) socket.destroy();
  };
  app.addHook("onRequest", async (request) => count(request, 1));
  app.addHook("onResponse", async (request) => count(request, -1));
}
