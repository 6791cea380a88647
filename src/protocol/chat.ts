/** Chats: named conversations that go on from session to session. Bodies of `/chats…`. */
import * as z from "zod";
import { Duration } from "./duration.ts";
import { PromptText, SessionRequest } from "./http.ts";

export const ChatName = z
  .string({ error: "name is required" })
  .regex(
    /^[a-z0-9][a-z0-9_-]{0,63}$/,
    "a chat's name is 1 to 64 lower-case letters, digits, dashes and underscores, and starts with a letter or a digit",
  );

/** What each session of the chat is asked for with. */
const sessionFields = {
  agent: true,
  runtime: true,
  model: true,
  effort: true,
  max_turns: true,
  instructions: true,
  agent_name: true,
  max_budget_usd: true,
  turn_timeout: true,
  agent_home: true,
  trust_workspace: true,
  permission_mode: true,
  input_timeout: true,
  work_dir: true,
  mounts: true,
  volumes: true,
  claude: true,
  codex: true,
  opencode: true,
  acp: true,
  auto_discover: true,
  mcp_servers: true,
  env: true,
  secret_env: true,
  resources: true,
  container: true,
  egress: true,
} as const;

export const ChatSession = SessionRequest.pick(sessionFields);

/** How long somebody may be silent in a session of the chat before it ends. */
export const ChatConfig = ChatSession.extend({ idle_timeout: Duration.optional() });

/** When the configuration does not say. */
export const idleMsDefault = 30 * 60_000;

/** Older clients send a key that they have nothing for, empty: that is as good as no key. */
function withoutEmpty(config: unknown): unknown {
  if (typeof config !== "object" || config === null || Array.isArray(config)) return config;
  const isEmpty = (value: unknown) => value === "" || value === null || (Array.isArray(value) && value.length === 0);
  return Object.fromEntries(Object.entries(config).filter(([, value]) => !isEmpty(value)));
}

/** `POST /chats`. */
export const ChatRequest = z.strictObject({ name: ChatName, config: z.preprocess(withoutEmpty, ChatConfig) });

/** `PATCH /chats/:name/config`: what is named is replaced. */
export const ChatChange = z.strictObject({ config: z.preprocess(withoutEmpty, ChatConfig.partial()) });

/** The configuration in such a body, as it was sent. */
export function sentConfigOf(body: unknown): Readonly<Record<string, unknown>> {
  const { config } = z
    .looseObject({ config: z.preprocess(withoutEmpty, z.record(z.string(), z.unknown())) })
    .parse(body);
  return config;
}

/** `POST /chats/:name/messages`. */
export const ChatMessageRequest = z.strictObject({ message: PromptText });

/** `created` has no session yet; `running` has one, or a message on its way into one; `idle` waits for a message. */
const ChatState = z.enum(["created", "running", "idle"]);
export type ChatState = z.infer<typeof ChatState>;

export const ChatView = z.object({
  name: z.string(),
  /** Without what may be secret in it. */
  config: z.looseObject({ agent: z.string() }),
  state: ChatState,
  current_session: z.string().optional(),
  /** The sessions that were begun, oldest first. */
  session_chain: z.array(z.string()),
  /** The agent's own ids of their conversations. */
  claude_session_ids: z.record(z.string(), z.string()).optional(),
  /** A message that waits for the session before it to end: the id that its session will have. */
  next_session: z.string().optional(),
  /** Sessions that ended before their agent was given the message: the one behind each into which it went. */
  replaced_sessions: z.record(z.string(), z.string()).optional(),
  created_at: z.string(),
  updated_at: z.string(),
  last_active_at: z.string().optional(),
  ws_url: z.string().optional(),
});
export type ChatView = z.infer<typeof ChatView>;

/** One of `GET /chats`. */
export const ChatListed = z.object({
  name: z.string(),
  state: ChatState,
  agent: z.string(),
  runtime: z.string().optional(),
  session_count: z.number(),
  created_at: z.string(),
  last_active_at: z.string().optional(),
});
export type ChatListed = z.infer<typeof ChatListed>;

/** `202` of a message: its session has begun, or begins when the one that runs is over. */
export const ChatAccepted = z.object({
  /** The session that runs now. */
  session_id: z.string(),
  state: z.literal("running"),
  /** It was begun for this message. */
  spawned: z.literal(true).optional(),
  /** The message waits… */
  queued: z.literal(true).optional(),
  /** …for a session of this id. */
  next_session: z.string().optional(),
  ws_url: z.string(),
});
export type ChatAccepted = z.infer<typeof ChatAccepted>;

/** `POST /chats/:name/attach`. */
export const ChatAttached = z.object({
  session_id: z.string(),
  state: z.literal("running"),
  spawned: z.literal(true).optional(),
  ws_url: z.string(),
});
export type ChatAttached = z.infer<typeof ChatAttached>;

export const ChatMessage = z.object({
  session_id: z.string(),
  /** An event's; `user_message` for what people said. */
  type: z.string(),
  data: z.record(z.string(), z.unknown()),
  /** Grows along the chat; ask for what is `before` it. */
  offset: z.number(),
  timestamp: z.string(),
});
export type ChatMessage = z.infer<typeof ChatMessage>;

/** `GET /chats/:name/messages`: oldest first. */
export const ChatMessages = z.object({
  messages: z.array(ChatMessage),
  /** How many these are. */
  total: z.number(),
  has_more: z.boolean(),
  /** Ask with it for those before these. */
  before: z.number().optional(),
});
export type ChatMessages = z.infer<typeof ChatMessages>;

/** The first line of an export; the others are a ChatMessage each. */
export const ChatExport = z.object({
  type: z.literal("chat"),
  version: z.literal(1),
  name: z.string(),
  /** Without what may be secret in it. */
  config: z.record(z.string(), z.unknown()),
  created_at: z.string(),
  /** The agent's own id of the last conversation. */
  conversation: z.string().optional(),
});
export type ChatExport = z.infer<typeof ChatExport>;

/** `POST /chats/import`. */
export const ChatImportRequest = z.strictObject({
  /** All lines of an export. */
  export: z.string(),
  /** By default the one it had. */
  name: ChatName.optional(),
  /** In place of the one it had. */
  work_dir: z.string().optional(),
  /** Go on with the agent's conversation: its own files must be where they were. */
  resume: z.boolean().optional(),
});

/** `DELETE /chats/:name`. */
export const ChatDeleted = z.object({ name: z.string(), deleted: z.literal(true) });
export type ChatDeleted = z.infer<typeof ChatDeleted>;
