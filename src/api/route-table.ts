/**
 * Every route, with what a caller needs for it. The server does not start with a route that does not stand here, nor with a
 * row that no route answers; the tests of access are made from this table.
 */
import type { AuditAct, Scope } from "../protocol/access.ts";

export interface RouteAccess {
  /** `open` asks for no token. */
  scope: Scope | "open";
  /** Asked by whoever watches over the machine, and may only know its address: any Host will do. */
  isProbe?: true;
  /** Shown to people by a browser: a link of another site may lead to it, in a window of its own. */
  isPage?: true;
  /** A ticket in the query does as well as a token in the header. */
  takesTicket?: true;
  /** As what it is written down in the audit log: whatever changes something is. */
  act?: AuditAct;
}

export const routeTable: Readonly<Record<string, RouteAccess>> = {
  // The console: files of the build, which tell nothing. All that they show is asked for with the token.
  "GET /": { scope: "open", isPage: true },
  "GET /assets/:file": { scope: "open" },
  "GET /health": { scope: "open" },
  "GET /health/live": { scope: "open", isProbe: true },
  "GET /health/ready": { scope: "open", isProbe: true },
  "GET /openapi.json": { scope: "open" },
  "GET /docs": { scope: "open", isPage: true },
  "GET /metrics": { scope: "read" },
  "GET /agents": { scope: "read" },
  "GET /egress": { scope: "read" },
  "GET /sessions": { scope: "read" },
  "GET /sessions/history": { scope: "read" },
  "GET /sessions/:id": { scope: "read" },
  "GET /sessions/:id/info": { scope: "read" },
  "GET /sessions/:id/logs": { scope: "read" },
  "GET /sessions/:id/log": { scope: "read" },
  "GET /sessions/:id/events": { scope: "read", takesTicket: true },
  "GET /sessions/:id/stream": { scope: "read", takesTicket: true },
  "HEAD /sessions/:id/stream": { scope: "read" },
  "GET /sessions/:id/blobs/:name": { scope: "read" },
  // Whoever may only read is answered with an error to whatever else it sends.
  "GET /ws/sessions/:id": { scope: "read", takesTicket: true },
  "GET /ws/chats/:name": { scope: "read", takesTicket: true },
  "POST /tickets": { scope: "read", act: "ticket" },
  "POST /sessions": { scope: "write", act: "create" },
  "PATCH /sessions/:id": { scope: "write", act: "change" },
  "POST /sessions/:id/stop": { scope: "write", act: "stop" },
  "DELETE /sessions/:id": { scope: "write", act: "delete" },
  "POST /sessions/:id/prompt": { scope: "write", act: "prompt" },
  "POST /sessions/:id/steer": { scope: "write", act: "steer" },
  "DELETE /sessions/:id/prompts/:turn": { scope: "write", act: "withdraw" },
  "PUT /sessions/:id/inputs/:input": { scope: "write", act: "answer" },
  "POST /sessions/:id/interrupt": { scope: "write", act: "interrupt" },
  "POST /sessions/:id/context": { scope: "write", act: "context" },
  "POST /sessions/:id/mention": { scope: "write", act: "mention" },
  "GET /chats": { scope: "read" },
  "GET /chats/:name": { scope: "read" },
  "GET /chats/:name/messages": { scope: "read" },
  "GET /chats/:name/export": { scope: "read" },
  "POST /chats/import": { scope: "write", act: "chat_create" },
  "POST /chats": { scope: "write", act: "chat_create" },
  "POST /chats/:name/messages": { scope: "write", act: "chat_message" },
  "POST /chats/:name/attach": { scope: "write", act: "chat_attach" },
  "PATCH /chats/:name/config": { scope: "write", act: "chat_change" },
  "DELETE /chats/:name": { scope: "write", act: "chat_delete" },
  "POST /egress/reload": { scope: "admin", act: "egress_reload" },
  "POST /gc": { scope: "admin", act: "gc" },
  "GET /audit": { scope: "admin" },
  "GET /tokens": { scope: "admin" },
  "POST /tokens": { scope: "admin", act: "token_create" },
  "POST /tokens/:name/rotate": { scope: "admin", act: "token_rotate" },
  "DELETE /tokens/:name": { scope: "admin", act: "token_revoke" },
};
