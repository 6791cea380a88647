/** What agents there are and what each can do. */
import type { FastifyInstance } from "fastify";
import * as z from "zod";
import type { AgentView } from "../protocol/http.ts";
import type { Supervisor } from "../supervisor/supervisor.ts";

export const AgentsQuery = z.strictObject({ work_dir: z.string().optional() });

export function agentsRoute(app: FastifyInstance, { supervisor }: { supervisor: Supervisor }): void {
  app.get(
    "/agents",
    async (request): Promise<AgentView[]> => supervisor.agents(AgentsQuery.parse(request.query).work_dir),
  );
}
