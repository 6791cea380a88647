/** How Codex is started: flags and environment from the bootstrap. Pure. */
import { resolve } from "node:path";
import type { Bootstrap } from "../../src/protocol/bootstrap.ts";
import { isReadingInstructions } from "./instructions.ts";

export interface CodexCommand {
  command: string[];
  env: Record<string, string>;
}

/** Our name for the model service that the operator configured; the built-in names cannot be given another address. */
const provider = "agentruntime";
const publicService = "https://api.openai.com/v1";
/** Variables that may hold the key, first one first. */
const keyVariables = ["CODEX_API_KEY", "OPENAI_API_KEY"];

/**
 * One `codex app-server` on stdio. Everything is set by flags, so that a person's own configuration is read and never
 * written. What the operator put behind the program comes last, and so wins.
 */
export function codexCommand(bootstrap: Bootstrap): CodexCommand {
  const { agent, config, work_dir } = bootstrap;
  const [program = "codex", ...operators] = agent.command;
  const settings = [
    ...quiet,
    ...providerSettings(bootstrap),
    ...trust(work_dir, config.trust_workspace === true),
    ...(isReadingInstructions(config) ? [] : ["project_doc_max_bytes=0"]),
    ...(config.permission_mode === "interactive" ? asking : []),
  ];
  const flags = settings.flatMap((setting) => ["-c", setting]);
  return { command: [program, ...flags, ...operators, "app-server"], env: { ...agent.env } };
}

/** 0.169.0 asks an analytics host, github.com and chatgpt.com for things unless each of these is off. */
const quiet = [
  "check_for_update_on_startup=false",
  "analytics.enabled=false",
  "features.plugins=false",
  "features.apps=false",
  // Otherwise it tries a service that refuses connections for ever (0.169.0).
  "features.unbounded_connection_retries=false",
  // As each thread is told; said here too, it keeps Codex from looking for the sandbox that is not used.
  'sandbox_mode="danger-full-access"',
];

/** Where a person is, the model may ask: 0.169.0 offers it a tool for that in a mode for plans only, unless it is told to. */
const asking = ["features.default_mode_request_user_input=true", "suppress_unstable_features_warning=true"];

/** Nothing when neither a key nor an address is given: then the person's own login and configuration decide. */
function providerSettings({ agent: { env }, login_file }: Bootstrap): string[] {
  const hasLogin = login_file !== undefined;
  const baseUrl = env["OPENAI_BASE_URL"];
  const key = keyVariables.find((name) => env[name]);
  if (baseUrl === undefined && key === undefined) return [];
  const of = (name: string, value: string | number | boolean) =>
    `model_providers.${provider}.${name}=${JSON.stringify(value)}`;
  return [
    `model_provider=${JSON.stringify(provider)}`,
    of("name", provider),
    of("base_url", baseUrl === undefined ? publicService : serviceUrl(baseUrl)),
    of("wire_api", "responses"),
    of("supports_websockets", false),
    // Its own defaults, said so that they stay: about half a minute of trying until a failing service is believed.
    of("request_max_retries", 4),
    of("stream_max_retries", 5),
    ...(hasLogin ? [of("requires_openai_auth", true)] : []),
    // A service without a key (a model on this machine) gets none.
    ...(key === undefined ? [] : [of("env_key", key)]),
    // The key is for Codex; the commands that the model runs have no use for it.
    ...(key === undefined ? [] : [`shell_environment_policy.exclude=${JSON.stringify(keyVariables)}`]),
  ];
}

/** Codex adds `/responses` to its address; people give the service's own, as they do for the other agents. */
function serviceUrl(baseUrl: string): string {
  const { pathname } = new URL(baseUrl);
  return pathname === "/" ? `${baseUrl.replace(/\/$/, "")}/v1` : baseUrl;
}

/** Whether the checkout's `.codex` folder (settings, hooks, servers) acts. Unsaid, Codex would note it in the person's file. */
function trust(workDir: string, isTrusted: boolean): string[] {
  const level = isTrusted ? "trusted" : "untrusted";
  return [`projects={${JSON.stringify(resolve(workDir))}={trust_level=${JSON.stringify(level)}}}`];
}
