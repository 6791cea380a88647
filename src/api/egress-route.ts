/** What sessions in containers asked the proxy for in vain, and what they may reach, read anew. */
import type { FastifyInstance } from "fastify";
import * as z from "zod";
import type { EgressEntry, EgressInForce } from "../protocol/http.ts";
import type { Supervisor } from "../supervisor/supervisor.ts";

export const EgressQuery = z.strictObject({
  session: z.string().optional(),
  limit: z.coerce.number().int().min(1).max(10_000).default(1000),
});

export function egressRoute(app: FastifyInstance, { supervisor }: { supervisor: Supervisor }): void {
  app.get("/egress", async (request): Promise<EgressEntry[]> => {
    const { session, limit } = EgressQuery.parse(request.query);
    return supervisor.egressEntries({ ref: session, limit });
  });

  app.post("/egress/reload", async (): Promise<EgressInForce> => supervisor.reloadEgress());
}
