/** Create, list, inspect, stop, delete. */

import type { FastifyInstance } from "fastify";
import * as z from "zod";
import { defined } from "../protocol/defined.ts";
import { AgentdError } from "../protocol/error.ts";
import type { SessionCreated, SessionView } from "../protocol/http.ts";
import { SessionChange, SessionRequest, StopRequest } from "../protocol/http.ts";
import { SessionStatus } from "../protocol/session.ts";
import { statusOf } from "../session/lifecycle.ts";
import type { Entry } from "../supervisor/entry.ts";
import type { Supervisor } from "../supervisor/supervisor.ts";
import { bodyOf } from "./body.ts";
import { history } from "./history.ts";
import type { Idempotency } from "./idempotency.ts";
import { infoOf, urlsOf, viewOf } from "./view.ts";

export interface SessionRoutesOptions {
  supervisor: Supervisor;
  idempotency: Idempotency;
  dataDir: string;
}

interface ById {
  Params: { id: string };
}

const historyDefault = 50;

const ListQuery = z.looseObject({
  state: SessionStatus.optional(),
  agent: z.string().optional(),
  limit: z.coerce.number().int().min(1).max(1000).optional(),
  after: z.string().optional(),
});

export function sessionRoutes(app: FastifyInstance, { supervisor, idempotency, dataDir }: SessionRoutesOptions): void {
  app.post("/sessions", async (request, reply) => {
    const asked = bodyOf(request, SessionRequest, "create a session");
    const { status, body } = await idempotency.once(request, async () => {
      const { entry, turnId } = await supervisor.create(asked);
      const { spec, state } = entry.session;
      const created: SessionCreated = {
        session_id: spec.session_id,
        agent: spec.agent,
        runtime: spec.runtime,
        status: statusOf(state),
        ...urlsOf(spec.session_id, request),
        ...defined({ task_id: spec.task_id, name: spec.name, turn_id: turnId }),
      };
      return { status: 201, body: created };
    });
    return reply.code(status).send(body);
  });

  app.get("/sessions", async (request, reply) => {
    const query = ListQuery.parse(request.query);
    const { page, next } = pageOf(supervisor.list(), query);
    if (next !== undefined) void reply.header("Agentruntime-Next", next);
    return page.map(viewOf) satisfies SessionView[];
  });

  app.get("/sessions/history", async (request) => {
    const { limit } = z.looseObject({ limit: z.string().optional() }).parse(request.query);
    const count = Number(limit);
    return history(dataDir, supervisor.list(), Number.isInteger(count) && count > 0 ? count : historyDefault);
  });

  app.get<ById>("/sessions/:id", async (request) => viewOf(supervisor.get(request.params.id)));

  app.get<ById>("/sessions/:id/info", async (request) => infoOf(supervisor.get(request.params.id), request));

  app.patch<ById>("/sessions/:id", async (request) => {
    const change = SessionChange.parse(request.body);
    await supervisor.change(request.params.id, change);
    return viewOf(supervisor.get(request.params.id));
  });

  app.post<ById>("/sessions/:id/stop", async (request, reply) => {
    const { mode } = StopRequest.parse(request.body);
    const entry = supervisor.get(request.params.id);
    entry.attendance?.stop(mode, "stopped");
    return reply.code(202).send(viewOf(entry));
  });

  app.delete<ById>("/sessions/:id", async (request) => {
    const { session } = supervisor.get(request.params.id);
    await supervisor.remove(session.id);
    return { id: session.id, state: "failed" };
  });
}

/** The entries that fit the query, and the id after which the next page begins. */
function pageOf(entries: Entry[], query: z.infer<typeof ListQuery>): { page: Entry[]; next: string | undefined } {
  const tags = Object.entries(query).flatMap(([key, value]) =>
    key.startsWith("tag.") ? [[key.slice(4), value] as const] : [],
  );
  const fits = ({ session }: Entry) =>
    (query.state === undefined || statusOf(session.state) === query.state) &&
    (query.agent === undefined || session.spec.agent === query.agent) &&
    tags.every(([key, value]) => session.spec.tags[key] === value);
  const afterAt = entries.findIndex(({ session }) => session.id === query.after);
  if (query.after !== undefined && afterAt === -1) {
    throw new AgentdError(
      "invalid_request",
      `Cannot list what follows ${JSON.stringify(query.after.slice(0, 80))}: no session of that id is listed. Begin again without after`,
    );
  }
  const start = afterAt + 1;
  const rest = entries.slice(start).filter(fits);
  const page = rest.slice(0, query.limit);
  return { page, next: page.length < rest.length ? page.at(-1)?.session.id : undefined };
}
