/**
 * What settings in an agent's own form would do. Pure. Whatever is not known to be harmless counts as something that
 * is executed or decides on tools, so that a key of a newer version is never taken for less than it is.
 */
import type { HarnessName } from "../protocol/bootstrap.ts";

export type NativeSettings = Readonly<Record<string, unknown>>;

export interface SettingsFound {
  /** Keys that may name a program to run, or let tools act unasked. */
  executables: string[];
  /** Keys that could send the operator's keys elsewhere. */
  redirects: string[];
}

interface Rules {
  harmless: ReadonlySet<string>;
  /** Top-level keys that are the operator's alone. */
  redirects: ReadonlySet<string>;
}

const rules: Partial<Record<HarnessName, Rules>> = {
  claude: {
    harmless: new Set([
      "$schema",
      "model",
      "language",
      "outputStyle",
      "includeCoAuthoredBy",
      "attribution",
      "cleanupPeriodDays",
      "alwaysThinkingEnabled",
      "effortLevel",
      "respectGitignore",
      "disableAllHooks",
    ]),
    redirects: new Set(["env"]),
  },
  codex: {
    harmless: new Set([
      "model",
      "model_reasoning_effort",
      "model_reasoning_summary",
      "model_verbosity",
      "model_context_window",
      "model_auto_compact_token_limit",
      "hide_agent_reasoning",
      "show_raw_agent_reasoning",
      "developer_instructions",
      "personality",
      "project_doc_max_bytes",
      "tool_output_token_limit",
    ]),
    redirects: new Set(["model_providers", "model_provider", "oss_provider", "profile", "profiles", "otel"]),
  },
  opencode: {
    harmless: new Set(["$schema", "model", "small_model", "username", "snapshot", "compaction"]),
    redirects: new Set(["provider", "enterprise", "server"]),
  },
};

/** Wherever they stand: addresses of services, and names of variables whose value is sent along. */
const redirectingKey = /base_?url$|endpoint|proxy|env_var|env_http_headers/i;
/** OpenCode puts a variable's value, or a file, wherever a text says so. */
const substitution = /\{(?:env|file):/;
/** A longer path could be a way past the lists: Codex reads a key with dots as a path. */
const plainKey = /^\$?[A-Za-z_][A-Za-z0-9_]*$/;
/** Deeper than any agent's own settings go. */
const depthMax = 32;

export function inspectNativeSettings(harness: HarnessName, settings: NativeSettings): SettingsFound {
  const known = rules[harness];
  const executables: string[] = [];
  const redirects: string[] = [];
  for (const [key, value] of Object.entries(settings)) {
    const inner = redirectIn(value, key, 1);
    if (!plainKey.test(key) || known?.redirects.has(key) || redirectingKey.test(key)) redirects.push(key);
    else if (inner !== undefined) redirects.push(inner);
    else if (!known?.harmless.has(key) && !isOnlyDenying(harness, key, value)) executables.push(key);
  }
  return { executables, redirects };
}

/** The path of the first place inside `value` that redirects; what is too deep to look at counts as one. */
function redirectIn(value: unknown, path: string, depth: number): string | undefined {
  if (typeof value === "string") return substitution.test(value) ? path : undefined;
  if (typeof value !== "object" || value === null) return undefined;
  if (depth > depthMax) return path;
  for (const [key, inner] of Object.entries(value)) {
    const at = `${path}.${key}`;
    if (!Array.isArray(value) && redirectingKey.test(key)) return at;
    const found = redirectIn(inner, at, depth + 1);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** Claude Code's permissions, when they only take away: `deny` and `ask`. */
function isOnlyDenying(harness: HarnessName, key: string, value: unknown): boolean {
  if (harness !== "claude" || key !== "permissions" || typeof value !== "object" || value === null) return false;
  return Object.keys(value).every((name) => name === "deny" || name === "ask");
}
