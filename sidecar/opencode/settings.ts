/** How `opencode serve` is started: arguments, environment and configuration from the bootstrap. Pure. */
import { randomUUID } from "node:crypto";
import * as z from "zod";
import type { McpServerSpec } from "../../src/protocol/agent-options.ts";
import type { Bootstrap } from "../../src/protocol/bootstrap.ts";
import type { PermissionMode } from "../../src/protocol/session.ts";
import { customAgent } from "./custom-agent.ts";
import { deepMerge } from "./deep-merge.ts";
import { type ModelId, modelIdOf, serviceAtHand, serviceEntry } from "./model-choice.ts";
import { type PermissionRules, permissionRules } from "./permission-rules.ts";
import { privateFolders } from "./private-home.ts";

export interface ServeSettings {
  command: string[];
  env: Record<string, string>;
  /** What each prompt names; the program chooses without it. */
  model: ModelId | undefined;
  retriesMax: number;
}

export interface ServeStart {
  bootstrap: Bootstrap;
  port: number;
  password: string;
  /** URL of the plugin that reports HTTP statuses. */
  plugin: string;
  /** Files with instructions that the program would not read by itself. */
  instructions: readonly string[];
}

/** The operator's words for the sidecar; the agent does not get them. */
const ours = ["OPENCODE_MODEL_BASE_URL", "OPENCODE_MODEL_API_KEY", "OPENCODE_MAX_RETRIES"];
const retriesMaxDefault = 6;

const ConfigObject = z.record(z.string(), z.unknown());
const Action = z.enum(["allow", "ask", "deny"]);
const Rules = z.record(z.string(), z.union([Action, z.record(z.string(), Action)]));

/** Throws an Error with a sentence for people when what the operator configured cannot be read. */
export function serveSettings(start: ServeStart): ServeSettings {
  const { agent, config, login_file } = start.bootstrap;
  const model = config.model === undefined ? undefined : modelIdOf(config.model, agent.env, login_file?.service);
  const given = Object.fromEntries(Object.entries(agent.env).filter(([name]) => !ours.includes(name)));
  const isPrivate = privateFolders(agent.env) !== undefined;
  return {
    command: [...agent.command, "serve", "--hostname", "127.0.0.1", "--port", String(start.port)],
    env: {
      ...given,
      OPENCODE_DISABLE_AUTOUPDATE: "1",
      OPENCODE_DISABLE_MODELS_FETCH: "1",
      OPENCODE_DISABLE_LSP_DOWNLOAD: "1",
      // A person's login may need these.
      ...(isPrivate && login_file === undefined ? { OPENCODE_DISABLE_DEFAULT_PLUGINS: "1" } : {}),
      ...(config.trust_workspace ? {} : { OPENCODE_DISABLE_PROJECT_CONFIG: "1" }),
      OPENCODE_SERVER_PASSWORD: start.password,
      OPENCODE_CONFIG_CONTENT: asText(configuration(start, { model, isPrivate })),
    },
    model,
    retriesMax: retriesMaxOf(agent.env["OPENCODE_MAX_RETRIES"]),
  };
}

function configuration(start: ServeStart, { model, isPrivate }: { model: ModelId | undefined; isPrivate: boolean }) {
  const { config } = start.bootstrap;
  // What is relied on here comes over both.
  const operators = givenConfig(start.bootstrap);
  const name = model === undefined ? undefined : `${model.providerID}/${model.modelID}`;
  return {
    ...operators,
    autoupdate: false,
    share: "disabled",
    // Copies of the work dir, which nothing here ever goes back to.
    ...(isPrivate ? { snapshot: false } : {}),
    ...(name === undefined ? {} : { model: name, small_model: name }),
    ...services(start.bootstrap, { model, isPrivate, operators }),
    permission: sessionRules(start.bootstrap, config.permission_mode ?? "autonomous"),
    plugin: [...list(operators["plugin"]), start.plugin],
    instructions: [...list(operators["instructions"]), ...start.instructions],
    agent: { ...members(operators["agent"]), ...inert(customAgent(config, start.bootstrap.work_dir)) },
    mcp: { ...members(operators["mcp"]), ...inert(mcpServers(config.mcp_servers ?? [])) },
  };
}

/** The operator's settings with the request's over them, as the program itself lays one configuration over another. */
function givenConfig({ agent, config }: Bootstrap): Record<string, unknown> {
  const operators = operatorsConfig(agent.env["OPENCODE_CONFIG_CONTENT"]);
  const requests = inert(config.native_settings ?? {});
  const lists = Object.fromEntries(
    ["plugin", "instructions"]
      .map((key) => [key, [...list(operators[key]), ...list(requests[key])]] as const)
      .filter(([, items]) => items.length > 0),
  );
  // One rule for all is said as such, so that the rules of the other lie beside it.
  const rules = deepMerge(rulesOf(operators["permission"]), rulesOf(requests["permission"]));
  return {
    ...deepMerge(operators, requests),
    ...lists,
    ...(Object.keys(rules).length > 0 ? { permission: rules } : {}),
  };
}

/** Ours by the mode, the operator's over them, the request's over both; the last one that fits counts. */
export function sessionRules(bootstrap: Bootstrap, mode: PermissionMode): PermissionRules {
  const given = Rules.safeParse(givenConfig(bootstrap)["permission"]).data ?? {};
  const ours = Object.entries(permissionRules(mode)).filter(([name]) => !Object.hasOwn(given, name));
  return { ...Object.fromEntries(ours), ...given };
}

function rulesOf(value: unknown): Record<string, unknown> {
  return typeof value === "string" ? { "*": value } : members(value);
}

/**
 * The program puts variables and files into any text of its configuration, before it reads the JSON (1.18.33). An operator
 * may want that; a request or a checkout could show the model the operator's keys by it. A brace that is written as an
 * escape is no such reference, and is the same text once read.
 */
const reference = /\{(?=(?:env|file):)/g;
const brace = randomUUID();

function inert(value: Record<string, unknown>): Record<string, unknown> {
  return ConfigObject.parse(JSON.parse(JSON.stringify(value).replace(reference, brace)));
}

function asText(value: object): string {
  return JSON.stringify(value).replaceAll(brace, "\\u007b");
}

function mcpServers(servers: readonly McpServerSpec[]): Record<string, object> {
  return Object.fromEntries(servers.map((server) => [server.name, mcpEntry(server)]));
}

function mcpEntry(server: McpServerSpec): object {
  if (server.type === "stdio") return { type: "local", command: server.command, environment: server.env };
  const headers = server.token === undefined ? {} : { headers: { Authorization: `Bearer ${server.token}` } };
  // Otherwise it may look for a login of its own.
  return { type: "remote", url: server.url, oauth: false, ...headers };
}

/** In a private home only one service is known, else the program takes a free one of its makers' when it finds no key. */
function services(
  { agent: { env }, login_file }: Bootstrap,
  at: { model: ModelId | undefined; isPrivate: boolean; operators: Record<string, unknown> },
): Record<string, unknown> {
  const url = env["OPENCODE_MODEL_BASE_URL"];
  const key = env["OPENCODE_MODEL_API_KEY"];
  if (!at.isPrivate && url === undefined && key === undefined) return {};
  const service = at.model?.providerID ?? login_file?.service ?? serviceAtHand(env);
  const configured = members(at.operators["provider"]);
  const entry = serviceEntry(service, {
    ...(url === undefined ? {} : { url }),
    ...(key === undefined ? {} : { key }),
    models: at.model ? [at.model.modelID] : [],
  });
  return {
    provider: { [service]: entry, ...configured },
    enabled_providers: at.operators["enabled_providers"] ?? [service, ...Object.keys(configured)],
  };
}

function operatorsConfig(text: string | undefined): Record<string, unknown> {
  if (text === undefined) return {};
  try {
    return ConfigObject.parse(JSON.parse(text));
  } catch (cause) {
    throw new Error("Cannot start opencode: OPENCODE_CONFIG_CONTENT in its configured env is not a JSON object", {
      cause,
    });
  }
}

function members(value: unknown): Record<string, unknown> {
  return ConfigObject.safeParse(value).data ?? {};
}

function list(value: unknown): unknown[] {
  return Array.isArray(value) ? value : [];
}

function retriesMaxOf(text: string | undefined): number {
  const count = Number(text);
  return text !== undefined && Number.isInteger(count) && count >= 0 ? count : retriesMaxDefault;
}
