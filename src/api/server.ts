/** The HTTP server: the guard in front, the routes behind. It decides nothing and remembers nothing. */
import websocket from "@fastify/websocket";
import fastify, { type FastifyInstance } from "fastify";
import type { AuditLog } from "../access/audit-log.ts";
import type { LiveCalls } from "../access/live-calls.ts";
import type { RequestRate } from "../access/request-rate.ts";
import type { Tickets } from "../access/tickets.ts";
import type { Tokens } from "../access/tokens.ts";
import { ClientRoom } from "../bridge/client-room.ts";
import type { Chats } from "../chats/chats.ts";
import type { Config } from "../config.ts";
import type { LimitSupport } from "../process/group-limits.ts";
import { AgentdError, type ErrorCode, errnoOf } from "../protocol/error.ts";
import type { AnswerBook } from "../store/store.ts";
import type { Supervisor } from "../supervisor/supervisor.ts";
import { agentsRoute } from "./agents-route.ts";
import { attachSocket } from "./attach-socket.ts";
import { auditRoute } from "./audit-route.ts";
import { auditRequests, noteRefusal } from "./audit-trail.ts";
import { boundBodies } from "./body-room.ts";
import { answerBroken } from "./broken-request.ts";
import { chatRoutes } from "./chat-routes.ts";
import { chatSocket } from "./chat-socket.ts";
import { type ClientSockets, clientSockets } from "./client-sockets.ts";
import { consoleRoute } from "./console-route.ts";
import { egressRoute } from "./egress-route.ts";
import { replyWithError, toAgentdError } from "./error-reply.ts";
import { eventsRoute } from "./events-route.ts";
import { gcRoute } from "./gc-route.ts";
import { checkCaller } from "./guard.ts";
import { healthRoute } from "./health-route.ts";
import { Idempotency } from "./idempotency.ts";
import { takeJson } from "./json-body.ts";
import { logRoutes } from "./log-routes.ts";
import { metricsRoute, type Scrape } from "./metrics-route.ts";
import { openApiRoute } from "./openapi-route.ts";
import { boundPipelines } from "./pipelining.ts";
import { holdToTable } from "./route-check.ts";
import { sessionRoutes } from "./session-routes.ts";
import { streamRoute } from "./stream-route.ts";
import { beStrict } from "./strict-headers.ts";
import { tokenRoutes } from "./token-routes.ts";
import { watchTokens } from "./token-watch.ts";
import { turnRoutes } from "./turn-routes.ts";

/** Who may call. */
export interface Access {
  tokens: Tokens;
  /** Whether a token is asked for. */
  isRequired: boolean;
  rate: RequestRate;
  tickets: Tickets;
  live: LiveCalls;
  audit: AuditLog;
}

export interface ServerOptions {
  config: Config;
  supervisor: Supervisor;
  chats: Chats;
  answers: AnswerBook;
  access: Access;
  version: string;
  /** The build of the web console; undefined where the daemon was installed without. */
  consoleDir: string | undefined;
  onClients(count: number): void;
  /** A fault of ours; the caller was told no more than that there was one. */
  onInternalError(error: unknown): void;
  /** Told the code of each request and frame that is answered with an error. */
  onRefused(code: ErrorCode): void;
  scrape: Scrape;
  limitSupport: LimitSupport;
}

export interface Server {
  app: FastifyInstance;
  sockets: ClientSockets;
  /** How far each client is behind the end of its session's log, in bytes. */
  clientLags(): number[];
  /** What waits for all of them together. */
  clientBytes(): number;
}

/** Of one message on a WebSocket, which is counted as one whatever it comes in: ws does not tell of fragments. */
const maxFragments = 1000;
/** Time for a request's headers to arrive, and for its body. */
const headersMs = 15_000;
const bodyMs = 60_000;
/** How late a connection may be closed that has taken longer. */
const lookEveryMs = 5_000;

export async function createServer(options: ServerOptions): Promise<Server> {
  const { config, supervisor, version } = options;
  const guard = { listenHost: config.listen.host, servedNames: config.served_names, ...options.access };
  const app = fastify({
    bodyLimit: config.limits.body_bytes,
    exposeHeadRoutes: false,
    // Addresses that no route can be asked about: half an escape, an id of a kilobyte.
    frameworkErrors: (error, request, reply) => {
      // They come before the hooks: who asks is checked here.
      beStrict(reply);
      try {
        checkCaller(request, guard);
        replyWithError(error, reply, options);
      } catch (refusal) {
        replyWithError(refusal, reply, options);
      }
    },
    clientErrorHandler: answerBroken,
    requestTimeout: bodyMs,
    http: { connectionsCheckingInterval: lookEveryMs },
    routerOptions: { ignoreTrailingSlash: true, maxParamLength: 200 },
    forceCloseConnections: true,
  });
  app.server.headersTimeout = headersMs;
  app.server.maxConnections = config.limits.max_connections;
  app.setErrorHandler((error, request, reply) => {
    noteRefusal(request, toAgentdError(error).code);
    replyWithError(error, reply, options);
  });
  app.setNotFoundHandler((request) => {
    throw new AgentdError("not_found", `not found: no route ${request.method} ${request.url.slice(0, 200)}`);
  });
  takeJson(app);
  await app.register(websocket, {
    options: { maxPayload: config.limits.body_bytes, maxFragments, perMessageDeflate: false },
    errorHandler: (error, socket) => {
      // A frame that breaks the rules: ws closes with the code that says so, and must not be cut off meanwhile.
      if (errnoOf(error)?.startsWith("WS_ERR_")) return;
      options.onInternalError(error);
      socket.terminate();
    },
  });
  // Behind the plugin's own hook, which must know of an upgrade that is refused here: it closes its socket.
  app.addHook("onRequest", async (request, reply) => {
    beStrict(reply);
    checkCaller(request, guard);
  });
  auditRequests(app, { audit: options.access.audit, supervisor });
  const checkTable = holdToTable(app);
  boundPipelines(app);
  boundBodies(app, { bodyBytesMax: config.limits.body_bytes });
  watchTokens(app, options.access);
  const idempotency = new Idempotency(options.answers);
  consoleRoute(app, { folder: options.consoleDir });
  healthRoute(app, { config, supervisor, limitSupport: options.limitSupport, version });
  openApiRoute(app, { version });
  metricsRoute(app, options.scrape);
  agentsRoute(app, { supervisor });
  egressRoute(app, { supervisor });
  sessionRoutes(app, { supervisor, idempotency, dataDir: config.dataDir });
  gcRoute(app, { supervisor });
  auditRoute(app, options.access);
  tokenRoutes(app, { supervisor, chats: options.chats, ...options.access });
  turnRoutes(app, { supervisor, idempotency });
  chatRoutes(app, { chats: options.chats, idempotency });
  logRoutes(app, { supervisor, dataDir: config.dataDir });
  const { onClient, lags } = clientBook(options.onClients);
  const { onRefused } = options;
  const room = new ClientRoom({ bytesMax: config.limits.clients_bytes });
  const watching = {
    supervisor,
    ...options.access,
    clientStallMs: config.limits.client_stall,
    room,
    onClient,
    onRefused,
  };
  eventsRoute(app, watching);
  streamRoute(app, watching);
  const sockets = clientSockets(app, watching);
  attachSocket(app, { ...watching, sockets });
  chatSocket(app, { ...watching, chats: options.chats, sockets });
  checkTable();
  return { app, sockets, clientLags: lags, clientBytes: () => room.heldBytes };
}

/** Who is connected, by whichever route. */
function clientBook(onClients: (count: number) => void) {
  const clients = new Set<{ lagBytes(): number }>();
  return {
    onClient: (lagBytes: () => number) => {
      const client = { lagBytes };
      onClients(clients.add(client).size);
      return () => {
        clients.delete(client);
        onClients(clients.size);
      };
    },
    lags: () => [...clients].map(({ lagBytes }) => lagBytes()),
  };
}
