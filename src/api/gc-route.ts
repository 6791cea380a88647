/** Removing what the operator's policy lets go of, now. */
import type { FastifyInstance } from "fastify";
import { type Collected, CollectRequest } from "../protocol/http.ts";
import type { Supervisor } from "../supervisor/supervisor.ts";

export function gcRoute(app: FastifyInstance, { supervisor }: { supervisor: Supervisor }): void {
  app.post("/gc", async (request): Promise<Collected> => {
    const { dry_run } = CollectRequest.parse(request.body);
    return supervisor.collect({ isDryRun: dry_run });
  });
}
