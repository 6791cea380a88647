/** What a chat was asked for: its form in the store, as it is shown, and as the request of one of its sessions. */
import { ChatConfig, idleMsDefault } from "../protocol/chat.ts";
import { SessionRequest } from "../protocol/http.ts";

/** As it was sent: durations and sizes in people's words, as the request of a session takes them. */
export type StoredConfig = Readonly<Record<string, unknown>>;

export function idleMsOf(config: StoredConfig): number {
  return ChatConfig.parse(config).idle_timeout ?? idleMsDefault;
}

/** The request for one session of the chat. */
export function requestOf({ idle_timeout: _, ...config }: StoredConfig, more: Partial<SessionRequest>): SessionRequest {
  return SessionRequest.parse({ ...config, ...more });
}

const hidden = "[redacted]";

/** Whoever may read is not shown keys: what may hold one is there without its text. */
export function shownConfig(config: StoredConfig): StoredConfig {
  const shown: Record<string, unknown> = { ...config };
  const { env, mcp_servers, claude, codex, opencode } = ChatConfig.partial().parse(config);
  if (env) shown["env"] = withoutTexts(env);
  if (mcp_servers)
    shown["mcp_servers"] = mcp_servers.map((server) => ({
      ...server,
      ...(server.token === undefined ? {} : { token: hidden }),
      ...(server.env === undefined ? {} : { env: withoutTexts(server.env) }),
      // Keys stand in a path, a query or an argument as well, and nothing tells which.
      ...(server.url === undefined ? {} : { url: hidden }),
      ...(server.cmd === undefined ? {} : { cmd: withoutTexts(server.cmd) }),
    }));
  if (claude)
    shown["claude"] = {
      ...claude,
      ...(claude.settings_json === undefined ? {} : { settings_json: withoutTexts(claude.settings_json) }),
      ...(claude.mcp_json === undefined ? {} : { mcp_json: withoutTexts(claude.mcp_json) }),
    };
  if (codex?.config_toml) shown["codex"] = { ...codex, config_toml: withoutTexts(codex.config_toml) };
  if (opencode?.config) shown["opencode"] = { ...opencode, config: withoutTexts(opencode.config) };
  return shown;
}

function withoutTexts(value: unknown): unknown {
  if (typeof value === "string") return hidden;
  if (Array.isArray(value)) return value.map(withoutTexts);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, withoutTexts(inner)]));
}

/** What an export does not have is left out: it has to be given anew. */
export function withoutRedacted(config: StoredConfig): StoredConfig {
  const { mcp_servers, ...rest } = config;
  // Of a server is left what it is called: that is none.
  const isWhole =
    mcp_servers === undefined || JSON.stringify(mcp_servers) === JSON.stringify(withoutHidden(mcp_servers));
  const kept = withoutHidden(isWhole ? config : rest);
  return typeof kept === "object" && kept !== null && !Array.isArray(kept) ? { ...kept } : {};
}

function withoutHidden(value: unknown): unknown {
  if (Array.isArray(value)) return value.filter((one) => one !== hidden).map(withoutHidden);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, inner]) => inner !== hidden)
      .map(([key, inner]) => [key, withoutHidden(inner)]),
  );
}
