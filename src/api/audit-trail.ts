/** Which requests and frames are written down, and how. */
import type { FastifyInstance, FastifyRequest } from "fastify";
import * as z from "zod";
import type { AuditLog } from "../access/audit-log.ts";
import type { Caller } from "../access/caller.ts";
import type { AuditAct } from "../protocol/access.ts";
import { defined } from "../protocol/defined.ts";
import type { ErrorCode } from "../protocol/error.ts";
import type { ClientFrame } from "../protocol/frame.ts";
import type { Supervisor } from "../supervisor/supervisor.ts";
import { accessOf, knownCaller } from "./guard.ts";

export interface About {
  session_id?: string;
  subject?: string;
}

/** What a request was about, where its address does not say. */
const abouts = new WeakMap<FastifyRequest, About>();
const errors = new WeakMap<FastifyRequest, ErrorCode>();

export function noteAbout(request: FastifyRequest, about: About): void {
  abouts.set(request, about);
}

/** Why a request was refused. */
export function noteRefusal(request: FastifyRequest, code: ErrorCode): void {
  errors.set(request, code);
}

export function auditRequests(
  app: FastifyInstance,
  { audit, supervisor }: { audit: AuditLog; supervisor: Supervisor },
): void {
  // By its name a session that is being removed would not be found afterwards.
  app.addHook("preHandler", async (request) => {
    const { act } = accessOf(request);
    if (act === undefined) return;
    const { session_id: ref, subject } = aboutOf(request);
    if (ref !== undefined) noteAbout(request, { session_id: (await supervisor.find(ref))?.session.id ?? ref });
    if (subject !== undefined) noteAbout(request, { subject });
  });
  // Also when the client does not wait for the answer.
  app.addHook("onResponse", async (request) => {
    const { act } = accessOf(request);
    const caller = knownCaller(request);
    // Whoever is nobody could fill the log by knocking.
    if (act === undefined || caller === undefined) return;
    const error = errors.get(request);
    audit.note({
      ...whoOf(caller, request),
      act,
      by: "http",
      ...(abouts.get(request) ?? aboutOf(request)),
      ...(error === undefined ? {} : { error }),
    });
  });
}

const Params = z.object({ id: z.string().optional(), name: z.string().optional() });

/** As the address says it. */
function aboutOf(request: FastifyRequest): About {
  const { id, name } = Params.catch({}).parse(request.params);
  return defined({ session_id: id?.slice(0, 200), subject: name?.slice(0, 200) });
}

const frameActs: Readonly<Record<ClientFrame["type"], AuditAct | undefined>> = {
  stdin: "prompt",
  prompt: "prompt",
  steer: "steer",
  interrupt: "interrupt",
  context: "context",
  mention: "mention",
  withdraw: "withdraw",
  respond: "answer",
  ping: undefined,
  resize: undefined,
};

/** Told of each frame of a client when it was carried out or refused. */
export type FrameTrail = (type: ClientFrame["type"], error: ErrorCode | undefined) => void;

export function frameTrail(
  audit: AuditLog,
  { caller, request, about }: { caller: Caller; request: FastifyRequest; about: () => About },
): FrameTrail {
  const who = whoOf(caller, request);
  return (type, error) => {
    const act = frameActs[type];
    if (act === undefined) return;
    audit.note({ ...who, act, by: "websocket", ...about(), ...(error === undefined ? {} : { error }) });
  };
}

function whoOf(caller: Caller, request: FastifyRequest) {
  const { remoteAddress } = request.socket;
  return {
    caller: caller.name,
    ...(caller.tokenId === undefined ? {} : { token_id: caller.tokenId }),
    from: remoteAddress ?? "unix",
  };
}
