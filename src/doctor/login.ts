/**
 * Whether an agent has a key or a login, by what its program itself would look at: its environment and its files. Only
 * that something is there is ever told, never what.
 */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import * as z from "zod";
import type { HarnessName } from "../protocol/bootstrap.ts";

export type Login =
  | { kind: "key"; from: string }
  | { kind: "login"; from: string }
  | { kind: "none"; looked: string }
  /** It cannot be told. */
  | { kind: "unknown"; why: string };

type Environment = Readonly<Record<string, string | undefined>>;

/** `env` is what the agent would get. */
export function loginOf(harness: HarnessName, env: Environment): Promise<Login> {
  switch (harness) {
    case "claude":
      return claudeLogin(env);
    case "codex":
      return codexLogin(env);
    case "opencode":
      return opencodeLogin(env);
    case "acp":
    case "generic":
      return Promise.resolve({ kind: "unknown", why: "what it needs is known to the program only" });
    default:
      return harness satisfies never;
  }
}

const claudeKeys = ["ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "CLAUDE_CODE_OAUTH_TOKEN"];
const claudeClouds = ["CLAUDE_CODE_USE_BEDROCK", "CLAUDE_CODE_USE_VERTEX", "CLAUDE_CODE_USE_FOUNDRY"];
const ClaudeCredentials = z.object({ claudeAiOauth: z.object({ accessToken: z.string().min(1) }) });
const ClaudeSettings = z.object({ apiKeyHelper: z.string().min(1) });

async function claudeLogin(env: Environment): Promise<Login> {
  const key = [...claudeKeys, ...claudeClouds].find((name) => env[name]);
  if (key) return { kind: "key", from: key };
  const folder = env["CLAUDE_CONFIG_DIR"] || join(env["HOME"] || "/", ".claude");
  const credentials = join(folder, ".credentials.json");
  if (await holds(credentials, ClaudeCredentials)) return { kind: "login", from: credentials };
  const settings = join(folder, "settings.json");
  if (await holds(settings, ClaudeSettings)) return { kind: "login", from: `apiKeyHelper of ${settings}` };
  if (process.platform === "darwin") return { kind: "unknown", why: "the login may be in the keychain" };
  return { kind: "none", looked: credentials };
}

const CodexAuth = z.union([
  z.object({ OPENAI_API_KEY: z.string().min(1) }),
  z.object({ tokens: z.object({ access_token: z.string().min(1) }) }),
]);

async function codexLogin(env: Environment): Promise<Login> {
  const key = ["CODEX_API_KEY", "OPENAI_API_KEY"].find((name) => env[name]);
  if (key) return { kind: "key", from: key };
  const auth = join(env["CODEX_HOME"] || join(env["HOME"] || "/", ".codex"), "auth.json");
  return (await holds(auth, CodexAuth)) ? { kind: "login", from: auth } : { kind: "none", looked: auth };
}

const OpencodeAuth = z.record(z.string(), z.looseObject({})).refine((services) => Object.keys(services).length > 0);

async function opencodeLogin(env: Environment): Promise<Login> {
  const key = Object.keys(env).find((name) => /^[A-Z_]+_API_KEY$/.test(name) && env[name]);
  if (key) return { kind: "key", from: key };
  const data = env["XDG_DATA_HOME"] || join(env["HOME"] || "/", ".local", "share");
  const auth = join(data, "opencode", "auth.json");
  return (await holds(auth, OpencodeAuth)) ? { kind: "login", from: auth } : { kind: "none", looked: auth };
}

async function holds(file: string, schema: z.ZodType): Promise<boolean> {
  try {
    return schema.safeParse(JSON.parse(await readFile(file, "utf8"))).success;
  } catch {
    // Not there, not ours to read, or no JSON: the program could not use it either.
    return false;
  }
}
