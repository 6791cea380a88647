/**
 * The login of a person, renewed in one place. A refresh token is good once: whoever uses it makes the one that others
 * have worthless. So it is used under a lock, by whoever comes first; the others find what that one wrote.
 */
import { readFile } from "node:fs/promises";
import { type Dispatcher, request } from "undici";
import * as z from "zod";
import { errnoOf, isDiskFull, messageOf } from "../protocol/error.ts";
import { LoginDraft } from "./login-draft.ts";
import { expiryOf, type FreshTokens, LoginKind, type LoginTokens, tokensIn, withFresh } from "./login-file.ts";
import { isLoginAnew, type Unsaved } from "./unsaved-login.ts";

export const LoginSource = z.object({
  kind: LoginKind,
  service: z.string().optional(),
  path: z.string(),
  /** Where tokens are renewed. */
  token_url: z.url(),
});
export type LoginSource = z.infer<typeof LoginSource>;

/** The file as it is now, and what is in it. */
export interface Login {
  text: string;
  tokens: LoginTokens;
  /** It works, and something is wrong with it that a person should see to. */
  fault?: string;
}

/**
 * What was renewed and could not be written, by its file: nobody else has these tokens, and those in the file are good for
 * nothing any more.
 */
const unsaved = new Map<string, Unsaved>();

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
  opencode: "app_EMoamEEZ73f0CkXaXp7hrann",
};

export const tokenUrls: Readonly<Record<LoginKind, string>> = {
  claude: "https://platform.claude.com/v1/oauth/token",
  codex: "https://auth.openai.com/oauth/token",
  opencode: "https://auth.openai.com/oauth/token",
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
  const isSaved = !unsaved.has(source.path);
  if (isSaved && !isStale(found.tokens, refused)) return found;
  if (isSaved && found.tokens.refresh === undefined) {
    if (!isOver(found.tokens) && found.tokens.access !== refused) return found;
    throw new Error(`${lostLogin(source)}: its token has ended, and there is none to get another with`);
  }
  try {
    return await alone(source, (draft) => renewed(source, { draft, dispatcher, refused }));
  } catch (error) {
    if (!(error instanceof Unwritable)) throw error;
    // Nothing was asked of the service: what there is holds for as long as it would have.
    if (isOver(found.tokens) || found.tokens.access === refused) throw error;
    return { ...found, fault: error.message };
  }
}

/** The file cannot be written, so it is not renewed. */
class Unwritable extends Error {}

/** Nobody else renews it meanwhile, and there is room for what comes of it. */
async function alone(source: LoginSource, act: (draft: LoginDraft) => Promise<Login>): Promise<Login> {
  // Here, not above: it takes over what a dozen signals do to the process that loads it.
  const { lock } = await import("proper-lockfile");
  let release: () => Promise<void>;
  let draft: LoginDraft;
  try {
    // What else it does about a lock that is gone is to end the process.
    const onCompromised = () => undefined;
    release = await lock(source.path, { stale: staleLockMs, retries: lockTries, onCompromised });
  } catch (error) {
    throw new Unwritable(cannotRenew(source, error), { cause: error });
  }
  try {
    draft = await LoginDraft.open(source.path, (await readLogin(source)).text).catch((error: unknown) => {
      throw new Unwritable(cannotRenew(source, error), { cause: error });
    });
    try {
      return await act(draft);
    } finally {
      await draft.close();
    }
  } finally {
    // One that was taken from us is not ours to release.
    await release().catch(() => undefined);
  }
}

async function renewed(
  source: LoginSource,
  { draft, dispatcher, refused }: { draft: LoginDraft; dispatcher: Dispatcher; refused: string | undefined },
): Promise<Login> {
  // Another session may have been first.
  const now = await readLogin(source);
  const kept = unsaved.get(source.path);
  if (kept === undefined && !isStale(now.tokens, refused)) return now;
  const isStillGood = !isStale(now.tokens, refused);
  const text = isStillGood ? now.text : withFresh(source, now.text, await renew(source, now.tokens, dispatcher));
  unsaved.set(source.path, { was: kept?.was ?? now.text, text });
  const login = { text, tokens: tokensIn(source, text) };
  try {
    await draft.commit(text);
    unsaved.delete(source.path);
    return login;
  } catch (error) {
    return { ...login, fault: `${cannotRenew(source, error)}. Until then only this process has the new one` };
  }
}

function cannotRenew({ path }: LoginSource, error: unknown): string {
  const found = isDiskFull(error)
    ? "the disk that holds it is full. Make room there"
    : errnoOf(error) === "ELOCKED"
      ? `somebody has been at it for a minute. End who holds "${path}.lock", or remove that`
      : `${messageOf(error)}. Let this user write the file and its folder`;
  return `Cannot renew the login in "${path}": ${found}`;
}

async function readLogin(source: LoginSource): Promise<Login> {
  const { kind, path } = source;
  try {
    const inFile = await readFile(path, "utf8");
    const kept = unsaved.get(path);
    if (kept && isLoginAnew(source, kept, inFile)) unsaved.delete(path);
    const text = unsaved.get(path)?.text ?? inFile;
    return { text, tokens: tokensIn(source, text) };
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
