/** Figures for Prometheus. Needs the token, as all that tells of sessions does. */
import type { FastifyInstance } from "fastify";

export type Scrape = () => Promise<{ type: string; text: string }>;

export function metricsRoute(app: FastifyInstance, scrape: Scrape): void {
  app.get("/metrics", async (_request, reply) => {
    const { type, text } = await scrape();
    return reply.header("content-type", type).send(text);
  });
}
