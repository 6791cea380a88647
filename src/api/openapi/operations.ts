/**
 * What each route takes and answers, by the schemas that the routes themselves use. A test holds the keys to the table of
 * routes, and real answers to what is said here.
 */
import * as z from "zod";
import {
  AuditEntry,
  TicketCreated,
  TicketRequest,
  TokenCreated,
  TokenRequest,
  TokenView,
} from "../../protocol/access.ts";
import {
  AgentView,
  Collected,
  CollectRequest,
  ContextRequest,
  EgressEntry,
  EgressInForce,
  Health,
  HistoryEntry,
  InputAnswered,
  InputAnswerRequest,
  MentionRequest,
  PromptAccepted,
  PromptRequest,
  Readiness,
  SessionChange,
  SessionCreated,
  SessionInfo,
  SessionRequest,
  SessionView,
  SteerRequest,
  StopRequest,
} from "../../protocol/http.ts";
import { AgentsQuery } from "../agents-route.ts";
import { Since } from "../attach-socket.ts";
import { AuditQuery } from "../audit-route.ts";
import { EgressQuery } from "../egress-route.ts";
import { EventsQuery } from "../events-route.ts";
import { ListRequest } from "../list-query.ts";
import { LogsQuery } from "../log-routes.ts";
import { HistoryQuery } from "../session-routes.ts";
import { StreamQuery } from "../stream-route.ts";
import { chatOperations } from "./chat-operations.ts";

export const tags = {
  sessions: "Start, list, look at, change, stop and delete sessions",
  turns: "Prompts and what is said to a running agent",
  chats: "Conversations with a name, that go on from session to session",
  streams: "What happened in a session: as a file, polled, or as it happens",
  access: "Tokens, tickets and the audit log",
  daemon: "The daemon itself, its agents and its egress proxy",
} as const;

export interface Answer {
  /** What it means. */
  means: string;
  /** Absent for an answer without a body. */
  body?: z.ZodType | { type: string };
  headers?: Readonly<Record<string, string>>;
}

export interface Operation {
  /** What it does, in one sentence. */
  summary: string;
  tag: keyof typeof tags;
  query?: z.ZodObject;
  body?: z.ZodType;
  /** A repeated request with the same `Idempotency-Key` and body gets the first one's answer. */
  isKeyed?: true;
  answers: Readonly<Record<number, Answer>>;
}

const SessionRef = z.object({ session_id: z.string() });

const streamHeaders = {
  "Stream-Next-Offset": "Where to go on from",
  "Stream-Up-To-Date": "`true` when there is no more for now",
  "Stream-Closed": "`true` when there will never be more",
};

export const operations: Readonly<Record<string, Operation>> = {
  "GET /": {
    summary: "The web console: a page, which asks for all that it shows with the token that it is given",
    tag: "daemon",
    answers: { 200: { means: "A page that runs its own script only", body: { type: "text/html" } } },
  },
  "GET /assets/:file": {
    summary: "A part of the web console, by the name that the page has for it",
    tag: "daemon",
    answers: {
      200: { means: "Script, style or picture, the same for ever", body: { type: "application/javascript" } },
    },
  },
  "GET /health": {
    summary: "What this daemon is and can do; of sessions it tells the number only",
    tag: "daemon",
    answers: { 200: { means: "It runs", body: Health } },
  },
  "GET /health/live": {
    summary: "Whether the daemon lives",
    tag: "daemon",
    answers: { 200: { means: "It does", body: z.object({ status: z.literal("ok") }) } },
  },
  "GET /health/ready": {
    summary: "Whether the daemon takes new work",
    tag: "daemon",
    answers: { 200: { means: "It does", body: Readiness }, 503: { means: "Not now, and why", body: Readiness } },
  },
  "GET /openapi.json": {
    summary: "This description",
    tag: "daemon",
    answers: { 200: { means: "OpenAPI 3.1", body: z.looseObject({ openapi: z.string() }) } },
  },
  "GET /docs": {
    summary: "This description as a page",
    tag: "daemon",
    answers: { 200: { means: "A page without scripts", body: { type: "text/html" } } },
  },
  "GET /metrics": {
    summary: "Figures for Prometheus",
    tag: "daemon",
    answers: { 200: { means: "Prometheus' text format", body: { type: "text/plain" } } },
  },
  "GET /agents": {
    summary: "The agents, how each was found and what it can do",
    tag: "daemon",
    query: AgentsQuery,
    answers: {
      200: { means: "All of them; with `work_dir` also those that the folder defines", body: z.array(AgentView) },
    },
  },
  "GET /egress": {
    summary: "What sessions in containers asked the proxy for in vain, or were let through in audit",
    tag: "daemon",
    query: EgressQuery,
    answers: { 200: { means: "Oldest first", body: z.array(EgressEntry) } },
  },
  "POST /egress/reload": {
    summary: "Reads the egress policy of the configuration file anew",
    tag: "daemon",
    answers: { 200: { means: "What holds from now on", body: EgressInForce } },
  },
  "POST /gc": {
    summary: "Removes what the policy of retention lets go of, and leftovers of containers",
    tag: "daemon",
    body: CollectRequest,
    answers: { 200: { means: "What is gone, or with `dry_run` what would be", body: Collected } },
  },
  "GET /sessions": {
    summary: "Lists sessions, a page at a time",
    tag: "sessions",
    query: ListRequest,
    answers: {
      200: {
        means: "One page",
        body: z.array(SessionView),
        headers: { "Agentruntime-Next": "`after` of the next page, when there is one" },
      },
    },
  },
  "GET /sessions/history": {
    summary: "One entry for each log, newest first",
    tag: "sessions",
    query: HistoryQuery,
    answers: { 200: { means: "At most `limit` of them", body: z.array(HistoryEntry) } },
  },
  "POST /sessions": {
    summary: "Starts a session",
    tag: "sessions",
    body: SessionRequest,
    isKeyed: true,
    answers: { 201: { means: "It is on disk and being launched", body: SessionCreated } },
  },
  "GET /sessions/:id": {
    summary: "Looks at a session",
    tag: "sessions",
    answers: { 200: { means: "As it is now", body: SessionView } },
  },
  "GET /sessions/:id/info": {
    summary: "Looks at a session, with where its streams are",
    tag: "sessions",
    answers: { 200: { means: "As it is now", body: SessionInfo } },
  },
  "PATCH /sessions/:id": {
    summary: "Changes the model or the permission mode of a running session",
    tag: "sessions",
    body: SessionChange,
    answers: { 200: { means: "The session after the change", body: SessionView } },
  },
  "POST /sessions/:id/stop": {
    summary: "Stops a session; it stays readable",
    tag: "sessions",
    body: StopRequest,
    answers: { 202: { means: "It is being stopped, or has ended", body: SessionView } },
  },
  "DELETE /sessions/:id": {
    summary: "Ends a session and takes it out of the list; its log stays",
    tag: "sessions",
    answers: {
      200: { means: "All its processes are gone", body: z.object({ id: z.string(), state: z.literal("failed") }) },
    },
  },
  "POST /sessions/:id/prompt": {
    summary: "Gives the agent a prompt, or queues it while a turn runs",
    tag: "turns",
    body: PromptRequest,
    isKeyed: true,
    answers: { 202: { means: "It is in the log", body: PromptAccepted } },
  },
  "POST /sessions/:id/steer": {
    summary: "Says something to the agent in the midst of its turn",
    tag: "turns",
    body: SteerRequest,
    isKeyed: true,
    answers: { 202: { means: "It is in the log", body: PromptAccepted } },
  },
  "DELETE /sessions/:id/prompts/:turn": {
    summary: "Takes back a prompt that waits",
    tag: "turns",
    answers: {
      200: { means: "It will not run", body: z.object({ turn_id: z.string(), status: z.literal("withdrawn") }) },
    },
  },
  "PUT /sessions/:id/inputs/:input": {
    summary: "Answers a question of the agent",
    tag: "turns",
    body: InputAnswerRequest,
    answers: { 200: { means: "It was taken, now or before", body: InputAnswered } },
  },
  "POST /sessions/:id/interrupt": {
    summary: "Interrupts the turn that runs",
    tag: "turns",
    answers: { 202: { means: "The agent is being told", body: SessionRef } },
  },
  "POST /sessions/:id/context": {
    summary: "Adds a text or a file to the next prompt",
    tag: "turns",
    body: ContextRequest,
    answers: { 202: { means: "It is in the log", body: SessionRef } },
  },
  "POST /sessions/:id/mention": {
    summary: "Mentions a file to the agent",
    tag: "turns",
    body: MentionRequest,
    answers: { 202: { means: "It is in the log", body: SessionRef } },
  },
  "GET /sessions/:id/logs": {
    summary: "Reads the log from a cursor, whole lines of NDJSON",
    tag: "streams",
    query: LogsQuery,
    answers: {
      200: {
        means: "From `cursor` to the end, or to the last whole line within `limit` bytes",
        body: { type: "text/plain" },
        headers: {
          "Agentruntime-Log-Cursor": "The cursor to go on from",
          "Agentruntime-Log-Start": "The first byte that is still there",
        },
      },
    },
  },
  "GET /sessions/:id/log": {
    summary: "Reads the log as a file; `Range` is understood",
    tag: "streams",
    answers: {
      200: { means: "All of it", body: { type: "application/x-ndjson" } },
      206: { means: "The range asked for", body: { type: "application/x-ndjson" } },
    },
  },
  "GET /sessions/:id/events": {
    summary: "Follows the log as server-sent events; `Last-Event-ID` is understood",
    tag: "streams",
    query: EventsQuery,
    answers: {
      200: { means: "One event for each line; its `id` is the offset after it", body: { type: "text/event-stream" } },
      204: { means: "The session has ended, and `Last-Event-ID` was its last" },
    },
  },
  "GET /sessions/:id/stream": {
    summary: "Reads or follows the log by the Durable Streams protocol, in its JSON mode",
    tag: "streams",
    query: StreamQuery,
    answers: {
      200: {
        means: "Messages, in an array or as server-sent events",
        body: z.array(z.unknown()),
        headers: streamHeaders,
      },
      204: { means: "Nothing new came while a long poll waited", headers: streamHeaders },
      304: { means: "As `If-None-Match` knows it" },
    },
  },
  "HEAD /sessions/:id/stream": {
    summary: "Where the durable stream ends",
    tag: "streams",
    answers: { 200: { means: "By its headers", headers: streamHeaders } },
  },
  "GET /sessions/:id/blobs/:name": {
    summary: "Reads a file that an event names, such as a picture or a long output",
    tag: "streams",
    answers: { 200: { means: "Its bytes", body: { type: "application/octet-stream" } } },
  },
  "GET /ws/sessions/:id": {
    summary: "Follows and steers a session over a WebSocket",
    tag: "streams",
    query: Since,
    answers: { 101: { means: "From here on frames: ClientFrame to the daemon, ServerFrame from it" } },
  },
  ...chatOperations,
  "POST /tickets": {
    summary: "Gives a ticket that opens one stream of one session or chat, once, for those who cannot send a header",
    tag: "access",
    body: TicketRequest,
    answers: { 201: { means: "The ticket", body: TicketCreated } },
  },
  "GET /audit": {
    summary: "Who did what",
    tag: "access",
    query: AuditQuery,
    answers: { 200: { means: "Oldest first", body: z.array(AuditEntry) } },
  },
  "GET /tokens": {
    summary: "Lists the named tokens",
    tag: "access",
    answers: { 200: { means: "All of them, without the tokens themselves", body: z.array(TokenView) } },
  },
  "POST /tokens": {
    summary: "Creates a named token",
    tag: "access",
    body: TokenRequest,
    answers: { 201: { means: "The one answer that holds the token", body: TokenCreated } },
  },
  "POST /tokens/:name/rotate": {
    summary: "Replaces a token; the old one is good for nothing at once",
    tag: "access",
    answers: { 200: { means: "The new one", body: TokenCreated } },
  },
  "DELETE /tokens/:name": {
    summary: "Revokes a token and closes what it has open",
    tag: "access",
    answers: {
      200: { means: "It is good for nothing", body: z.object({ name: z.string(), status: z.literal("revoked") }) },
    },
  },
};
