/** Alive, and what this daemon can do. Open to all who reach the port: it tells nothing of any session. */
import type { FastifyInstance } from "fastify";
import type { Config } from "../config.ts";
import type { Health } from "../protocol/http.ts";
import type { Supervisor } from "../supervisor/supervisor.ts";

export function healthRoute(
  app: FastifyInstance,
  options: { config: Config; supervisor: Supervisor; version: string },
): void {
  const { config, supervisor, version } = options;
  app.get("/health", { config: { isOpen: true } }, async (): Promise<Health> => {
    const { isPaused } = supervisor;
    return {
      status: "ok",
      version,
      default_runtime: config.runtime,
      runtime: config.runtime,
      runtimes: [...config.runtimes].sort(),
      agents: Object.keys(config.agents).sort(),
      sessions: supervisor.liveCount,
      ...(isPaused
        ? {
            storage: {
              paused: true,
              message: `The disk that holds "${config.dataDir}" is full: sessions wait until there is room`,
            },
          }
        : {}),
    };
  });
}
