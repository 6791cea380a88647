/** The environment of an agent: an allow-list of the daemon's, what the operator adds, what the request adds. Pure. */
import type { HarnessName } from "../protocol/bootstrap.ts";

type Environment = Readonly<Record<string, string | undefined>>;

/** What every agent gets from the daemon's environment. Keys for models are never among them. */
const inherited = [
  "PATH",
  "HOME",
  "USER",
  "LOGNAME",
  "SHELL",
  "LANG",
  "LANGUAGE",
  "TERM",
  "TZ",
  "TMPDIR",
  "XDG_CONFIG_HOME",
  "XDG_DATA_HOME",
  "XDG_CACHE_HOME",
  "XDG_STATE_HOME",
  "NVM_DIR",
  "SSL_CERT_FILE",
  "SSL_CERT_DIR",
  "NODE_EXTRA_CA_CERTS",
  "HTTP_PROXY",
  "HTTPS_PROXY",
  "NO_PROXY",
  "http_proxy",
  "https_proxy",
  "no_proxy",
];

/** Variables that point into the person's home; a private home does without them. */
const homeBound = ["XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME", "XDG_STATE_HOME", "NVM_DIR"];

/** Variables by which a request could hand over a key of its own. */
export const keyVariables = [
  "ANTHROPIC_API_KEY",
  "ANTHROPIC_AUTH_TOKEN",
  "CLAUDE_CODE_OAUTH_TOKEN",
  "OPENAI_API_KEY",
  "CODEX_API_KEY",
];

export interface AgentEnvOptions {
  harness: HarnessName;
  /** The daemon's own, which holds the key. */
  daemon: Environment;
  /** Of the place where the agent runs, an allow-list of which is passed on; without it, the daemon's own. */
  place?: Environment;
  settings: { env: Readonly<Record<string, string>>; key_env?: string | undefined; base_url?: string | undefined };
  /** Given to the agent in place of its key, and the address of its model is left for the sidecar to say. */
  standIn?: string | undefined;
  request: Readonly<Record<string, string>>;
  /** Folder of the private home; undefined leaves the agent in the person's. */
  privateHome: string | undefined;
  /** The session's own folder for temporary files, never above the private home. */
  temporaryDir: string;
  /** The trace it works in, for programs that look for one. */
  traceparent?: string | undefined;
}

export function agentEnv(options: AgentEnvOptions): Record<string, string> {
  const { daemon, place = daemon, settings, privateHome } = options;
  const env: Record<string, string> = {};
  for (const [key, value] of Object.entries(place)) {
    if (value !== undefined && (inherited.includes(key) || key.startsWith("LC_"))) env[key] = value;
  }
  if (privateHome !== undefined) {
    for (const key of homeBound) delete env[key];
    env["HOME"] = privateHome;
    env["TMPDIR"] = options.temporaryDir;
    if (options.harness === "claude") env["CLAUDE_CONFIG_DIR"] = `${privateHome}/.claude`;
    // Not below TMPDIR, or its helpers are refused and every sandboxed command fails (codex 0.169.0).
    if (options.harness === "codex") env["CODEX_HOME"] = `${privateHome}/.codex`;
  }
  // Its sockets and what its commands print. In a person's home the rest of TMPDIR stays, since other programs of theirs look there.
  if (privateHome === undefined && options.harness === "claude") env["CLAUDE_CODE_TMPDIR"] = options.temporaryDir;
  // OpenCode is spoken to over ACP as well; other programs keep to these folders or do not know them.
  if (privateHome !== undefined && (options.harness === "opencode" || options.harness === "acp"))
    Object.assign(env, ownFolders(privateHome));
  if (options.traceparent !== undefined) env["TRACEPARENT"] = options.traceparent;
  const codexHome = place["CODEX_HOME"];
  if (privateHome === undefined && options.harness === "codex" && codexHome !== undefined)
    env["CODEX_HOME"] = codexHome;
  const key = options.standIn ?? (settings.key_env === undefined ? undefined : daemon[settings.key_env]);
  if (settings.key_env !== undefined && key !== undefined) env[nameForKey(options.harness, settings.key_env)] = key;
  if (settings.base_url !== undefined && options.standIn === undefined)
    env[nameForUrl(options.harness)] = settings.base_url;
  return { ...env, ...settings.env, ...options.request };
}

/**
 * In a place where no person keeps anything, so that the sidecar knows a private home by it. Not in `.opencode`: the
 * program takes that for a folder of configuration and installs a package from the network into it (1.18.33).
 */
function ownFolders(privateHome: string): Record<string, string> {
  const kinds = ["CONFIG", "DATA", "STATE", "CACHE"];
  return Object.fromEntries(
    kinds.map((kind) => [`XDG_${kind}_HOME`, `${privateHome}/.agentruntime/${kind.toLowerCase()}`]),
  );
}

/** The variable by which an agent is told where its model is. */
export function nameForUrl(harness: HarnessName): string {
  if (harness === "claude") return "ANTHROPIC_BASE_URL";
  // It reads no such variable: the sidecar puts the URL into its configuration.
  return harness === "opencode" ? "OPENCODE_MODEL_BASE_URL" : "OPENAI_BASE_URL";
}

/** A key under a name that the agent does not know is given under the one it knows. */
export function nameForKey(harness: HarnessName, keyEnv: string): string {
  switch (harness) {
    case "claude":
      return keyVariables.includes(keyEnv) ? keyEnv : "ANTHROPIC_API_KEY";
    case "codex":
      return keyEnv === "CODEX_API_KEY" ? keyEnv : "OPENAI_API_KEY";
    case "opencode":
      // One that says whose it is stays as it is.
      return /^[A-Z]+_(GENERATIVE_AI_)?API_KEY$/.test(keyEnv) ? keyEnv : "OPENCODE_MODEL_API_KEY";
    default:
      return keyEnv;
  }
}
