/** Which key of which service is kept from an agent, and how the agent is told. Pure. */
import type { AgentSettings } from "../config.ts";
import type { LoginSource } from "../keeper/login.ts";
import type { LoginKind } from "../keeper/login-file.ts";
import type { HarnessName } from "../protocol/bootstrap.ts";
import { AgentdError } from "../protocol/error.ts";
import { keyVariables, nameForKey, nameForUrl } from "./agent-env.ts";
import { loginSourceOf } from "./login-source.ts";

type Environment = Readonly<Record<string, string | undefined>>;

export interface HiddenKey {
  /** One of the two. */
  key: string | undefined;
  login: LoginSource | undefined;
  /** The variable in which the agent looks for it. */
  keyVariable: string;
  /** The model service's own address. */
  upstream: string;
  /** Told to the agent by this variable … */
  urlVariable: string;
  /** … with this path behind the address of the door. */
  path: string;
}

/** Whose public service a key is for, by the variable in which the agent finds it. */
const publicServices: Readonly<Record<string, string>> = {
  ANTHROPIC_API_KEY: "https://api.anthropic.com",
  ANTHROPIC_AUTH_TOKEN: "https://api.anthropic.com",
  OPENAI_API_KEY: "https://api.openai.com/v1",
  CODEX_API_KEY: "https://api.openai.com/v1",
};

/** OpenCode asks as one who is logged in when it has the tokens itself, and not otherwise. */
type HidableLogin = Exclude<LoginKind, "opencode">;

/** Where a login is good for a model, and the variable that makes the agent ask as one who is logged in. */
const loginServices: Readonly<Record<HidableLogin, string>> = {
  claude: "https://api.anthropic.com",
  codex: "https://chatgpt.com/backend-api/codex",
};
const loginVariables: Readonly<Record<HidableLogin, string>> = {
  claude: "CLAUDE_CODE_OAUTH_TOKEN",
  codex: "OPENAI_API_KEY",
};

/** Agents that take an address for their model and send the key to it as a header. */
const ableHarnesses: readonly HarnessName[] = ["claude", "codex", "opencode"];

/** Undefined when the agent may know its key. Throws `launch_failed` naming the setting that is missing. */
export function hiddenKeyOf(name: string, settings: AgentSettings, environment: Environment): HiddenKey | undefined {
  if (!settings.hide_key) return undefined;
  const { harness, key_env, base_url } = settings;
  const login = loginSourceOf(name, settings);
  const refuse = (found: string) =>
    new AgentdError("launch_failed", `Cannot hide the key of agent "${name}": ${found}. Or set hide_key to false`);
  if (!ableHarnesses.includes(harness))
    throw refuse(`its harness is "${harness}", and only those of ${ableHarnesses.join(", ")} take another address`);
  const kind = hidableKind(login, refuse);
  const key = login ? undefined : keyIn(environment, key_env, { name, refuse });
  const keyVariable = kind ? loginVariables[kind] : nameForKey(harness, key_env ?? "");
  if (!login && keyVariable === "CLAUDE_CODE_OAUTH_TOKEN")
    throw refuse(
      `the token of a login is used for more than its model. Name its file in agents.${name}.login, or use an API key`,
    );
  const upstream = base_url ?? (kind ? loginServices[kind] : publicServices[keyVariable]);
  if (upstream === undefined) throw refuse(`agents.${name}.base_url does not say whose key it is. Set it`);
  const { pathname } = new URL(upstream);
  return {
    key,
    login,
    keyVariable,
    upstream,
    urlVariable: nameForUrl(harness),
    path: pathname === "/" ? "" : pathname,
  };
}

function hidableKind(login: LoginSource | undefined, refuse: (found: string) => AgentdError): HidableLogin | undefined {
  if (login?.kind === "opencode")
    throw refuse(
      "OpenCode asks as one who is logged in only when it has the token itself. Set key_env instead of login",
    );
  return login?.kind;
}

function keyIn(
  environment: Environment,
  variable: string | undefined,
  { name, refuse }: { name: string; refuse(found: string): AgentdError },
): string {
  if (variable === undefined) throw refuse(`agents.${name}.key_env names no variable. Set it, or agents.${name}.login`);
  const key = environment[variable];
  if (key) return key;
  throw refuse(`the variable ${variable} is not set in the daemon's environment. Set it, and start agentd again`);
}

/** A caller's own key would go to the agent as it is: with a hidden key there is one key, the operator's. */
export function checkNoOwnKey(name: string, settings: AgentSettings, env: Readonly<Record<string, string>>): void {
  const own = settings.hide_key ? keyVariables.find((variable) => variable in env) : undefined;
  if (own === undefined) return;
  throw new AgentdError(
    "env_key_reserved",
    `Cannot set env key "${own}": the key of agent "${name}" is the operator's and hidden from its sessions (hide_key). Leave it out`,
  );
}
