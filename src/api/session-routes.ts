/** Create, list, inspect, stop, delete. */

import { randomUUID } from "node:crypto";
import type { FastifyInstance, FastifyRequest } from "fastify";
import * as z from "zod";
import { defined } from "../protocol/defined.ts";
import type { SessionCreated, SessionView } from "../protocol/http.ts";
import { SessionChange, SessionRequest, StopRequest } from "../protocol/http.ts";
import { SessionStatus } from "../protocol/session.ts";
import type { SessionRow } from "../store/store.ts";
import type { Caller } from "../supervisor/creation.ts";
import { rowOf } from "../supervisor/entry.ts";
import { listedOf } from "../supervisor/listing.ts";
import { checkSessionId } from "../supervisor/spec.ts";
import type { Supervisor } from "../supervisor/supervisor.ts";
import { noteAbout } from "./audit-trail.ts";
import { bodyOf } from "./body.ts";
import { callerOf } from "./guard.ts";
import type { Idempotency, OnceOnly, Recalled } from "./idempotency.ts";
import { limitMax, listQueryOf } from "./list-query.ts";
import { historyEntryOf, infoOf, urlsOf, viewOf } from "./view.ts";

export interface SessionRoutesOptions {
  supervisor: Supervisor;
  idempotency: Idempotency;
  dataDir: string;
}

interface ById {
  Params: { id: string };
}

const historyDefault = 50;

/** Older clients send anything: what is no count is as good as none. */
export const HistoryQuery = z.looseObject({ limit: z.string().optional() });

export function sessionRoutes(app: FastifyInstance, { supervisor, idempotency, dataDir }: SessionRoutesOptions): void {
  app.post("/sessions", async (request, reply) => {
    const asked = bodyOf(request, SessionRequest, "create a session");
    const { status, body } = await idempotency.once(request, creation(supervisor, asked, request));
    // Which one it became, or was already.
    noteAbout(request, CreationIntent.parse(body));
    return reply.code(status).send(body);
  });

  app.get("/sessions", async (request, reply) => {
    const { page, next } = await supervisor.list(listQueryOf(request.query));
    if (next !== undefined) void reply.header("Agentruntime-Next", next);
    return page.map((listed) => viewOf(listed, dataDir)) satisfies SessionView[];
  });

  app.get("/sessions/history", async (request) => {
    const { limit } = HistoryQuery.parse(request.query);
    const count = Number(limit);
    const isCount = Number.isInteger(count) && count > 0;
    const rows = await supervisor.history(isCount ? Math.min(count, limitMax) : historyDefault);
    return rows.map((row) => historyEntryOf(row, dataDir));
  });

  app.get<ById>("/sessions/:id", async (request) => viewOf(await supervisor.show(request.params.id), dataDir));

  app.get<ById>("/sessions/:id/info", async (request) =>
    infoOf(await supervisor.show(request.params.id), dataDir, request),
  );

  app.patch<ById>("/sessions/:id", async (request) => {
    const change = SessionChange.parse(request.body);
    await supervisor.change(request.params.id, change);
    return viewOf(await supervisor.show(request.params.id), dataDir);
  });

  app.post<ById>("/sessions/:id/stop", async (request, reply) => {
    const { mode } = StopRequest.parse(request.body);
    const entry = await supervisor.get(request.params.id);
    entry.attendance?.stop(mode, "stopped");
    return reply.code(202).send(viewOf(listedOf(entry), dataDir));
  });

  app.delete<ById>("/sessions/:id", async (request) => {
    const id = await supervisor.remove(request.params.id);
    return { id, state: "failed" };
  });
}

const CreationIntent = z.object({ session_id: z.string() });
type CreationIntent = z.infer<typeof CreationIntent>;

/** The id is chosen beforehand: by it a session is found again whose creator died before it could answer. */
function creation(supervisor: Supervisor, asked: SessionRequest, request: FastifyRequest): OnceOnly<CreationIntent> {
  const hasPrompt = asked.prompt !== undefined && asked.prompt.trim() !== "";
  const ownId = asked.session_id === undefined ? undefined : checkSessionId(asked.session_id);
  return {
    intent: { session_id: ownId ?? randomUUID() },
    act: async ({ session_id }, mark) => {
      const caller = { ...callOf(request), request: mark };
      const { entry, turnId } = await supervisor.create({ ...asked, session_id }, caller);
      return { status: 201, body: createdOf(rowOf(entry), turnId, request) };
    },
    recall: async ({ intent, mark }): Promise<Recalled> => {
      const { session_id } = CreationIntent.parse(intent);
      const entry = await supervisor.find(session_id);
      // One that had the caller's id before is another's.
      if (!entry || entry.session.spec.request !== mark) return { was: "nothing" };
      return {
        was: "done",
        answer: { status: 201, body: createdOf(rowOf(entry), hasPrompt ? "t1" : undefined, request) },
      };
    },
  };
}

function createdOf(row: SessionRow, turnId: string | undefined, request: FastifyRequest): SessionCreated {
  return {
    session_id: row.id,
    agent: row.agent ?? "",
    runtime: row.runtime ?? "",
    status: SessionStatus.parse(row.status),
    ...urlsOf(row.id, request),
    ...defined({ task_id: row.task_id ?? undefined, name: row.name ?? undefined, turn_id: turnId }),
  };
}

function callOf(request: FastifyRequest): Caller {
  const { traceparent } = request.headers;
  return { by: callerOf(request).name, ...(typeof traceparent === "string" ? { traceparent } : {}) };
}
