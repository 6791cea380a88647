/**
 * The files in which agents keep the login of a person: what is in them, and what of it a session gets.
 * Read from claude 2.1.329 and codex 0.169.0. Pure.
 */
import * as z from "zod";
import { opencodeForSession, opencodeTokens, opencodeWithFresh } from "./opencode-login.ts";

export const LoginKind = z.enum(["claude", "codex", "opencode"]);
export type LoginKind = z.infer<typeof LoginKind>;

/** Whose file it is, and which of several logins in it. */
export interface LoginForm {
  kind: LoginKind;
  /** Of OpenCode's file, which has one a service. */
  service?: string | undefined;
}

export interface LoginTokens {
  access: string;
  /** Undefined where the file has none: then it holds until it ends. */
  refresh: string | undefined;
  /** Unix ms; undefined where the token does not say. */
  expiresAt: number | undefined;
  /** What else the model's service wants to see beside the token. */
  headers: Record<string, string>;
  scopes: readonly string[];
}

/** What the token endpoint gave. */
export interface FreshTokens {
  access: string;
  refresh: string | undefined;
  id: string | undefined;
  expiresAt: number | undefined;
}

const ClaudeFile = z.looseObject({
  claudeAiOauth: z.looseObject({
    accessToken: z.string().min(1),
    refreshToken: z.string().nullish(),
    expiresAt: z.number().nullish(),
    scopes: z.array(z.string()).nullish(),
  }),
});

const CodexFile = z.looseObject({
  tokens: z.looseObject({
    id_token: z.string(),
    access_token: z.string().min(1),
    refresh_token: z.string().nullish(),
    account_id: z.string().nullish(),
  }),
});

/** Throws an Error with one sentence, which never repeats what is in the file. */
export function tokensIn({ kind, service = "" }: LoginForm, text: string): LoginTokens {
  if (kind === "opencode") return opencodeTokens(service, text);
  if (kind === "claude") {
    const { accessToken, refreshToken, expiresAt, scopes } = parsed(ClaudeFile, text).claudeAiOauth;
    return {
      access: accessToken,
      refresh: refreshToken || undefined,
      expiresAt: expiresAt ?? undefined,
      headers: {},
      scopes: scopes ?? [],
    };
  }
  const { access_token, refresh_token, account_id } = parsed(CodexFile, text).tokens;
  return {
    access: access_token,
    refresh: refresh_token || undefined,
    expiresAt: expiryOf(access_token),
    headers: account_id ? { "chatgpt-account-id": account_id } : {},
    scopes: [],
  };
}

/** The same file with new tokens; what else is in it stays. */
export function withFresh({ kind, service = "" }: LoginForm, text: string, fresh: FreshTokens): string {
  if (kind === "opencode") return opencodeWithFresh(service, text, fresh);
  if (kind === "claude") {
    const file = parsed(ClaudeFile, text);
    const { refreshToken } = file.claudeAiOauth;
    const tokens = {
      accessToken: fresh.access,
      refreshToken: fresh.refresh ?? refreshToken,
      expiresAt: fresh.expiresAt,
    };
    return JSON.stringify({ ...file, claudeAiOauth: { ...file.claudeAiOauth, ...tokens } });
  }
  const file = parsed(CodexFile, text);
  const { id_token, refresh_token } = file.tokens;
  const tokens = {
    access_token: fresh.access,
    refresh_token: fresh.refresh ?? refresh_token,
    id_token: fresh.id ?? id_token,
  };
  return JSON.stringify({ ...file, tokens: { ...file.tokens, ...tokens }, last_refresh: new Date().toISOString() });
}

/** What a session is given: enough to work until the token ends, and nothing to get another one with. */
export function forSession({ kind, service = "" }: LoginForm, text: string): string {
  if (kind === "opencode") return opencodeForSession(service, text);
  if (kind === "claude") {
    const { accessToken, expiresAt, scopes, subscriptionType, rateLimitTier } = parsed(ClaudeFile, text).claudeAiOauth;
    return JSON.stringify({ claudeAiOauth: { accessToken, expiresAt, scopes, subscriptionType, rateLimitTier } });
  }
  const { id_token, access_token, account_id } = parsed(CodexFile, text).tokens;
  return JSON.stringify({
    auth_mode: "chatgpt",
    OPENAI_API_KEY: null,
    // It does not read a file without this one, and asks for no new token with an empty one.
    tokens: { id_token, access_token, refresh_token: "", account_id },
    last_refresh: new Date().toISOString(),
  });
}

/** When a JSON Web Token ends, as it says itself. */
export function expiryOf(token: string): number | undefined {
  try {
    const claims: unknown = JSON.parse(Buffer.from(token.split(".")[1] ?? "", "base64url").toString("utf8"));
    const { exp } = z.object({ exp: z.number() }).parse(claims);
    return exp * 1000;
  } catch {
    return undefined;
  }
}

function parsed<T>(schema: z.ZodType<T>, text: string): T {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new Error("it is not JSON");
  }
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  throw new Error(`it holds no login of this agent: ${result.error.issues[0]?.path.join(".")} is missing or wrong`);
}
