/** Alive, ready for new work, and what this daemon can do. Open to all who reach the port: it tells nothing of any session. */
import type { FastifyInstance } from "fastify";
import type { Config } from "../config.ts";
import type { LimitSupport } from "../process/group-limits.ts";
import type { Health, NotReadyReason, Readiness } from "../protocol/http.ts";
import type { Supervisor } from "../supervisor/supervisor.ts";

export function healthRoute(
  app: FastifyInstance,
  options: { config: Config; supervisor: Supervisor; limitSupport: LimitSupport; version: string },
): void {
  const { config, supervisor, limitSupport, version } = options;
  const limits = {
    memory: limitSupport.memory === true,
    cpus: limitSupport.cpus === true,
    pids: limitSupport.pids === true,
  };
  // Who gets an answer at all knows that it lives; it listens when it has recovered, not before.
  app.get("/health/live", async () => ({ status: "ok" }));
  app.get("/health/ready", async (_request, reply) => {
    const reasons: NotReadyReason[] = [];
    if (supervisor.isPaused) reasons.push("disk_full");
    if (supervisor.isClosing) reasons.push("shutting_down");
    const readiness: Readiness = { status: reasons.length === 0 ? "ready" : "not_ready", reasons };
    return reply.code(reasons.length === 0 ? 200 : 503).send(readiness);
  });
  app.get("/health", async (): Promise<Health> => {
    return {
      status: "ok",
      version,
      default_runtime: config.runtime,
      runtime: config.runtime,
      runtimes: [...config.runtimes].sort(),
      agents: Object.keys(config.agents).sort(),
      sessions: supervisor.liveCount,
      limits,
      ...(supervisor.isPaused
        ? {
            storage: {
              paused: true,
              message: "The disk that holds the data dir is full: sessions wait until there is room",
            },
          }
        : {}),
    };
  });
}
