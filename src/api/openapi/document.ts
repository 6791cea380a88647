/** The operations as an OpenAPI 3.1 document, whose schemas are JSON Schema 2020-12 made from the zod schemas that validate. */
import * as z from "zod";
import * as access from "../../protocol/access.ts";
import * as chat from "../../protocol/chat.ts";
import { errorStatus } from "../../protocol/error.ts";
import { SessionEvent } from "../../protocol/event.ts";
import { ClientFrame, ServerFrame } from "../../protocol/frame.ts";
import * as http from "../../protocol/http.ts";
import { LineNumbers } from "../../protocol/line.ts";
import { routeTable } from "../route-table.ts";
import { type Answer, type Operation, operations, tags } from "./operations.ts";

export type JsonSchema = Readonly<Record<string, unknown>>;

/** One method of one path. */
export interface PathOperation {
  operationId: string;
  summary: string;
  description: string;
  tags: readonly string[];
  security?: readonly unknown[];
  parameters: readonly Parameter[];
  requestBody?: { required: boolean; content: Content };
  responses: Readonly<Record<string, Response>>;
}

interface Parameter {
  name: string;
  in: "path" | "query" | "header";
  required: boolean;
  description?: string;
  schema: JsonSchema;
}

type Content = Readonly<Record<string, { schema?: JsonSchema }>>;

interface Response {
  description: string;
  headers?: Readonly<Record<string, { description: string; schema: JsonSchema }>>;
  content?: Content;
}

export interface OpenApiDocument {
  openapi: "3.1.1";
  info: { title: string; version: string; description: string; license: { name: string; identifier: string } };
  tags: readonly { name: string; description: string }[];
  paths: Readonly<Record<string, Readonly<Record<string, PathOperation>>>>;
  components: {
    schemas: Readonly<Record<string, JsonSchema>>;
    securitySchemes: Readonly<Record<string, unknown>>;
  };
}

/** What an error answer holds; more fields may stand beside these. Codes are no closed list: a client must bear one that it does not know. */
const ErrorAnswer = z.looseObject({
  error: z.string().meta({ examples: Object.keys(errorStatus) }),
  message: z.string(),
});

const LogLine = z.intersection(SessionEvent, LineNumbers);

/** Schemas that have a name of their own, by the direction they travel in: a duration is a text to us and a number inside. */
const requestNames = new Map<z.ZodType, string>([
  [http.SessionRequest, "SessionRequest"],
  [http.SessionChange, "SessionChange"],
  [http.StopRequest, "StopRequest"],
  [http.PromptRequest, "PromptRequest"],
  [http.SteerRequest, "SteerRequest"],
  [http.ContextRequest, "ContextRequest"],
  [http.MentionRequest, "MentionRequest"],
  [http.InputAnswerRequest, "InputAnswerRequest"],
  [http.CollectRequest, "CollectRequest"],
  [chat.ChatRequest, "ChatRequest"],
  [chat.ChatChange, "ChatChange"],
  [chat.ChatMessageRequest, "ChatMessageRequest"],
  [chat.ChatImportRequest, "ChatImportRequest"],
  [access.TokenRequest, "TokenRequest"],
  [access.TicketRequest, "TicketRequest"],
  [ClientFrame, "ClientFrame"],
]);
const answerNames = new Map<z.ZodType, string>([
  [http.SessionCreated, "SessionCreated"],
  [http.SessionView, "Session"],
  [http.SessionInfo, "SessionInfo"],
  [http.HistoryEntry, "HistoryEntry"],
  [http.EgressEntry, "EgressEntry"],
  [http.EgressInForce, "EgressInForce"],
  [http.PromptAccepted, "PromptAccepted"],
  [http.InputAnswered, "InputAnswered"],
  [http.Collected, "Collected"],
  [http.Health, "Health"],
  [http.Readiness, "Readiness"],
  [http.AgentView, "Agent"],
  [chat.ChatView, "Chat"],
  [chat.ChatListed, "ChatListed"],
  [chat.ChatAccepted, "ChatAccepted"],
  [chat.ChatAttached, "ChatAttached"],
  [chat.ChatMessages, "ChatMessages"],
  [access.TokenView, "Token"],
  [access.TokenCreated, "TokenCreated"],
  [access.TicketCreated, "TicketCreated"],
  [access.AuditEntry, "AuditEntry"],
  [ErrorAnswer, "Error"],
  [LogLine, "LogLine"],
  [ServerFrame, "ServerFrame"],
]);

export function openApiDocument(version: string): OpenApiDocument {
  const paths: Record<string, Record<string, PathOperation>> = {};
  for (const [route, operation] of Object.entries(operations)) {
    const [method = "", path = ""] = route.split(" ");
    const at = path.replaceAll(/:(\w+)/g, "{$1}");
    paths[at] = { ...paths[at], [method.toLowerCase()]: pathOperation(route, operation) };
  }
  return {
    openapi: "3.1.1",
    info: {
      title: "agentd",
      version,
      description:
        "Starts, watches and steers coding agents. Every answer that is no success is an Error; its codes are explained in docs/errors.md. Fields may be added to answers at any time.",
      license: { name: "MIT", identifier: "MIT" },
    },
    tags: Object.entries(tags).map(([name, description]) => ({ name, description })),
    paths,
    components: {
      schemas: { ...schemas(requestNames, "input"), ...schemas(answerNames, "output") },
      securitySchemes: { token: { type: "http", scheme: "bearer", description: "A token of this daemon" } },
    },
  };
}

function pathOperation(route: string, operation: Operation): PathOperation {
  const { summary, tag, query, body, isKeyed, answers } = operation;
  const scope = routeTable[route]?.scope ?? "admin";
  const names = [...route.matchAll(/:(\w+)/g)].map(([, name = ""]) => name);
  const parameters: Parameter[] = names.map((name) => ({
    name,
    in: "path",
    required: true,
    description: pathWords[name] ?? name,
    schema: { type: "string" },
  }));
  if (query) parameters.push(...queryParameters(query));
  if (isKeyed)
    parameters.push({
      name: "Idempotency-Key",
      in: "header",
      required: false,
      description: "The same key and body within 24 h get the first answer, and nothing is done twice",
      schema: { type: "string", maxLength: 256 },
    });
  return {
    operationId: operationId(route),
    summary,
    description: scope === "open" ? "Needs no token." : `Needs a token with the scope \`${scope}\`.`,
    tags: [tag],
    security: scope === "open" ? [] : [{ token: [] }],
    parameters,
    ...(body ? { requestBody: { required: !isOptional(body), content: jsonOf(body, "input") } } : {}),
    responses: {
      ...responses(answers),
      default: { description: "It was not done", content: jsonOf(ErrorAnswer, "output") },
    },
  };
}

const pathWords: Readonly<Record<string, string>> = {
  id: "A session's id or name",
  turn: "A turn's id, such as `t3`",
  input: "The `request_id` of an `input_required`",
  name: "Its name",
};

/** `getSessionsLogs`, `postSessionsPrompt`: the method and the words of the path. */
function operationId(route: string): string {
  const [method = "", path = ""] = route.split(" ");
  const words = path.split(/[/.]/).filter((word) => word !== "");
  const named = words.map((word) => (word.startsWith(":") ? `By${capital(word.slice(1))}` : capital(word)));
  return `${method.toLowerCase()}${named.join("")}`;
}

function capital(word: string): string {
  return word.slice(0, 1).toUpperCase() + word.slice(1);
}

function queryParameters(query: z.ZodObject): Parameter[] {
  return Object.entries(query.shape).map(([name, schema]) => ({
    name,
    in: "query",
    required: !isOptional(schema),
    schema: schemaOf(schema, "input"),
  }));
}

function responses(answers: Operation["answers"]): Record<string, Response> {
  return Object.fromEntries(
    Object.entries(answers).map(([status, { means, body, headers }]) => [
      status,
      {
        description: means,
        ...(headers ? { headers: headersOf(headers) } : {}),
        ...(body ? { content: contentOf(body) } : {}),
      },
    ]),
  );
}

function headersOf(headers: Readonly<Record<string, string>>): NonNullable<Response["headers"]> {
  return Object.fromEntries(
    Object.entries(headers).map(([name, description]) => [name, { description, schema: { type: "string" } }]),
  );
}

function contentOf(body: NonNullable<Answer["body"]>): Content {
  return body instanceof z.ZodType ? jsonOf(body, "output") : { [body.type]: { schema: { type: "string" } } };
}

function jsonOf(schema: z.ZodType, io: "input" | "output"): Content {
  return { "application/json": { schema: schemaOf(schema, io) } };
}

/** Whether nothing at all is taken too. */
function isOptional(schema: unknown): boolean {
  return schema instanceof z.ZodType && schema.safeParse(undefined).success;
}

/** A schema in place: named ones by reference, alone or in an array. */
function schemaOf(schema: z.core.$ZodType, io: "input" | "output"): JsonSchema {
  const name = schema instanceof z.ZodType ? (io === "input" ? requestNames : answerNames).get(schema) : undefined;
  if (name !== undefined) return { $ref: referenceTo(name) };
  if (schema instanceof z.ZodArray) return { type: "array", items: schemaOf(schema.element, io) };
  const { $schema: _, ...made } = z.toJSONSchema(schema, { io, unrepresentable: "any", override });
  return made;
}

function schemas(names: ReadonlyMap<z.ZodType, string>, io: "input" | "output"): Record<string, JsonSchema> {
  return Object.fromEntries(
    [...names].map(([schema, name]) => {
      const { $schema: _, ...made } = z.toJSONSchema(schema, { io, unrepresentable: "any", override });
      return [name, made];
    }),
  );
}

function referenceTo(name: string): string {
  return `#/components/schemas/${name}`;
}

/** Readers are not to fall over a field that a later daemon adds to its answers. */
function override({
  zodSchema,
  jsonSchema,
}: {
  zodSchema: z.core.$ZodType;
  jsonSchema: z.core.JSONSchema.BaseSchema;
}): void {
  const isStrict = zodSchema instanceof z.ZodObject && zodSchema.def.catchall instanceof z.ZodNever;
  if (jsonSchema.additionalProperties === false && !isStrict) delete jsonSchema.additionalProperties;
}
