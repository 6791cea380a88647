/** The audit log, for whoever may do everything anyway. */
import type { FastifyInstance } from "fastify";
import * as z from "zod";
import type { AuditLog } from "../access/audit-log.ts";
import type { AuditEntry } from "../protocol/access.ts";

export const AuditQuery = z.strictObject({
  limit: z.coerce.number().int().min(1).max(10_000).default(1000),
  after: z.coerce.number().int().min(0).optional(),
  wait: z.coerce.number().min(0).max(60).default(0),
});

export function auditRoute(app: FastifyInstance, { audit }: { audit: AuditLog }): void {
  app.get("/audit", async (request, reply): Promise<AuditEntry[]> => {
    const { limit, after, wait } = AuditQuery.parse(request.query);
    if (after !== undefined && wait > 0) {
      const gone = new AbortController();
      reply.raw.once("close", () => gone.abort());
      await audit.untilPast(after, AbortSignal.any([gone.signal, AbortSignal.timeout(wait * 1000)]));
    }
    return audit.read({ limit, ...(after === undefined ? {} : { after }) });
  });
}
