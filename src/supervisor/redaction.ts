/** What is taken out of all that a session tells: what its agent was given that is secret, and the operator's patterns. Pure. */
import type { AgentSettings, Config } from "../config.ts";
import type { McpServerSpec } from "../protocol/agent-options.ts";
import type { Bootstrap } from "../protocol/bootstrap.ts";
import { AgentdError } from "../protocol/error.ts";
import { secretLengthMin, secretValues } from "../protocol/secrets.ts";

export interface RedactionOptions {
  /** The agent's whole environment. */
  env: Readonly<Record<string, string>>;
  /** Names in it that the request calls secret. */
  marked: readonly string[];
  mcpServers: readonly McpServerSpec[];
  /** Nothing may be handed in there that the agent is not to have. */
  isContained: boolean;
  settings: AgentSettings;
  config: Config;
}

/** Each is looked for in all that is told. */
const valuesMax = 200;

export function redactionOf(options: RedactionOptions): Bootstrap["redact"] {
  const { env, marked, mcpServers, settings, config } = options;
  const servers = mcpServers.flatMap((server) => {
    if (server.type === "stdio") return secretValues(server.env);
    return [...secretValues({ url: server.url }), ...(server.token === undefined ? [] : [server.token])];
  });
  const found = [...new Set([...secretValues(env, marked), ...servers, ...keysOf(options)])];
  const values = found.filter(({ length }) => length >= secretLengthMin);
  if (values.length > valuesMax)
    throw new AgentdError(
      "invalid_request",
      `Cannot take ${values.length} secret values out of what the agent tells: at most ${valuesMax} may be. Give it fewer keys and tokens in env and mcp_servers`,
    );
  const patterns = [...config.redact, ...settings.redact];
  return values.length === 0 && patterns.length === 0 ? undefined : { values, patterns };
}

/** The key of the model, whatever its variable is called. One that is hidden must not be in a container for this alone. */
function keysOf({ env, settings, config, isContained }: RedactionOptions): string[] {
  const key = settings.key_env === undefined ? undefined : config.environment[settings.key_env];
  const isKnown = key !== undefined && (!isContained || Object.values(env).includes(key));
  return isKnown ? [key] : [];
}

/** Throws `invalid_request` for a name that is not in `env`: it would be no secret of anything. */
export function checkSecretEnv(names: readonly string[], env: Readonly<Record<string, string>>): void {
  const unknown = names.find((name) => !Object.hasOwn(env, name));
  if (unknown === undefined) return;
  throw new AgentdError(
    "invalid_request",
    `Cannot keep ${JSON.stringify(unknown.slice(0, 80))} secret (secret_env): env has no such key. Add it to env, or leave it out`,
  );
}
