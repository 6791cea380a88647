/**
 * The login of a person, renewed in one place. A refresh token is good once: whoever uses it makes the one that others
 * have worthless. So it is used under a lock, by whoever comes first; the others find what that one wrote.
 */
import { chown, readFile, realpath, rename, stat, writeFile } from "node:fs/promises";
import { type Dispatcher, request } from "undici";
import * as z from "zod";
import { messageOf } from "../protocol/error.ts";
import { expiryOf, type FreshTokens, LoginKind, type LoginTokens, tokensIn, withFresh } from "./login-file.ts";

export const LoginSource = z.object({
  kind: LoginKind,
  path: z.string(),
  /** Where tokens are renewed. */
  token_url: z.url(),
});
export type LoginSource = z.infer<typeof LoginSource>;

/** The file as it is now, and what is in it. */
export interface Login {
  text: string;
  tokens: LoginTokens;
}

/** A token that ends within this time is renewed: a request that begins with it may take long. */
const marginMs = 10 * 60_000;
const askMs = 30_000;
/** A holder that was killed is waited for no longer. */
const staleLockMs = askMs + 15_000;
const lockTries = { retries: 120, factor: 1, minTimeout: 500, maxTimeout: 500 };

/** As the programs themselves are known to the services. */
const clients: Readonly<Record<LoginKind, string>> = {
  claude: "9d1c250a-e61b-44d9-88ed-5944d1962f5e",
  codex: "app_EMoamEEZ73f0CkXaXp7hrann",
};

export const tokenUrls: Readonly<Record<LoginKind, string>> = {
  claude: "https://platform.claude.com/v1/oauth/token",
  codex: "https://auth.openai.com/oauth/token",
};

/**
 * The login, renewed when its token is about to end, or is the one that a service has refused. Rejects with one sentence
 * for people.
 */
export async function freshLogin(
  source: LoginSource,
  { dispatcher, refused }: { dispatcher: Dispatcher; refused?: string | undefined },
): Promise<Login> {
  const found = await readLogin(source);
  if (!isStale(found.tokens, refused)) return found;
  if (found.tokens.refresh === undefined) {
    if (!isOver(found.tokens) && found.tokens.access !== refused) return found;
    throw new Error(`${lostLogin(source)}: its token has ended, and there is none to get another with`);
  }
  // Here, not above: it takes over what a dozen signals do to the process that loads it.
  const { lock } = await import("proper-lockfile");
  const release = await lock(source.path, { stale: staleLockMs, retries: lockTries });
  try {
    // Another session may have been first.
    const now = await readLogin(source);
    if (!isStale(now.tokens, refused)) return now;
    const text = withFresh(source.kind, now.text, await renew(source, now.tokens, dispatcher));
    await replace(source.path, text);
    return { text, tokens: tokensIn(source.kind, text) };
  } finally {
    await release();
  }
}

async function readLogin({ kind, path }: LoginSource): Promise<Login> {
  try {
    const text = await readFile(path, "utf8");
    return { text, tokens: tokensIn(kind, text) };
  } catch (error) {
    throw new Error(
      `Cannot use the login in "${path}": ${messageOf(error)}. Log in with ${kind}, or name another file in agents.NAME.login`,
      { cause: error },
    );
  }
}

function isStale({ access, expiresAt }: LoginTokens, refused: string | undefined): boolean {
  return access === refused || (expiresAt !== undefined && expiresAt < Date.now() + marginMs);
}

function isOver({ expiresAt }: LoginTokens): boolean {
  return expiresAt !== undefined && expiresAt < Date.now();
}

async function renew(source: LoginSource, tokens: LoginTokens, dispatcher: Dispatcher): Promise<FreshTokens> {
  const { kind, token_url } = source;
  const answer = await request(token_url, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({
      grant_type: "refresh_token",
      refresh_token: tokens.refresh,
      client_id: clients[kind],
      ...(tokens.scopes.length > 0 ? { scope: tokens.scopes.join(" ") } : {}),
    }),
    dispatcher,
    headersTimeout: askMs,
    bodyTimeout: askMs,
  });
  const text = await answer.body.text();
  if (answer.statusCode === 400 || answer.statusCode === 401)
    throw new Error(
      `${lostLogin(source)}: the service no longer takes its refresh token (status ${answer.statusCode})`,
    );
  if (answer.statusCode !== 200)
    throw new Error(`Cannot renew the login in "${source.path}": ${token_url} answered ${answer.statusCode}`);
  const given = Answer.parse(JSON.parse(text));
  return {
    access: given.access_token,
    refresh: given.refresh_token,
    id: given.id_token,
    expiresAt: given.expires_in === undefined ? expiryOf(given.access_token) : Date.now() + given.expires_in * 1000,
  };
}

const Answer = z.object({
  access_token: z.string().min(1),
  refresh_token: z.string().optional(),
  id_token: z.string().optional(),
  expires_in: z.number().optional(),
});

function lostLogin({ kind, path }: LoginSource): string {
  return `The login in "${path}" does not hold any more. Log in with ${kind} again`;
}

/** In one step, for whoever reads meanwhile; it stays its owner's. */
async function replace(path: string, text: string): Promise<void> {
  const file = await realpath(path);
  const { uid, gid } = await stat(file);
  const draft = `${file}.${process.pid}.new`;
  await writeFile(draft, text, { mode: 0o600 });
  if (process.getuid?.() === 0) await chown(draft, uid, gid);
  await rename(draft, file);
}
