/** A token endpoint as the makers of agents have: a refresh token is good once, and the answer has the next one. */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { text as readText } from "node:stream/consumers";

export interface TokenEndpoint {
  readonly url: string;
  /** The one that is good now. */
  readonly refreshToken: string;
  /** The newest that was given out. */
  readonly accessToken: string;
  /** Requests that were granted. */
  readonly renewals: readonly Record<string, unknown>[];
  close(): Promise<void>;
}

/** `onGrant` happens when a refresh token is used up already and before the next one is given out. */
export async function startTokenEndpoint(
  options: { lifeS?: number; onGrant?: () => void } = {},
): Promise<TokenEndpoint> {
  const { lifeS = 3600, onGrant } = options;
  const renewals: Record<string, unknown>[] = [];
  let [refreshToken, accessToken] = ["refresh-token-0-of-the-person", ""];
  const server = createServer(async (request, response) => {
    const asked: Record<string, unknown> = JSON.parse(await readText(request));
    if (asked["refresh_token"] !== refreshToken) {
      response.writeHead(400).end(JSON.stringify({ error: "invalid_grant" }));
      return;
    }
    renewals.push(asked);
    onGrant?.();
    refreshToken = `refresh-token-${renewals.length}-of-the-person`;
    accessToken = tokenUntil(Date.now() + lifeS * 1000, `renewed-${renewals.length}`);
    response.writeHead(200, { "content-type": "application/json" });
    response.end(JSON.stringify({ access_token: accessToken, refresh_token: refreshToken, expires_in: lifeS }));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/oauth/token`,
    get refreshToken() {
      return refreshToken;
    },
    get accessToken() {
      return accessToken;
    },
    renewals,
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** Claude Code's `.credentials.json`. */
export function claudeLogin({
  refresh,
  expiresAt,
  access = "access-token-of-old",
}: {
  refresh: string;
  expiresAt: number;
  access?: string;
}) {
  return {
    claudeAiOauth: {
      accessToken: access,
      refreshToken: refresh,
      expiresAt,
      scopes: ["user:inference", "user:profile"],
      subscriptionType: "max",
    },
    another: "thing",
  };
}

/** OpenCode's `auth.json`: the login of ChatGPT, a key, and a login that OpenCode itself cannot renew. */
export function opencodeLogin({ refresh, expiresAt }: { refresh: string; expiresAt: number }) {
  return {
    openai: {
      type: "oauth",
      refresh,
      access: tokenUntil(expiresAt, "of-old"),
      expires: expiresAt,
      accountId: "account-1",
    },
    mistral: { type: "api", key: "key-of-another-service" },
    anthropic: { type: "oauth", refresh: "another-of-the-person", access: "a", expires: expiresAt },
  };
}

/** Codex's `auth.json`. */
export function codexLogin({ refresh, expiresAt }: { refresh: string; expiresAt: number }) {
  return {
    auth_mode: "chatgpt",
    OPENAI_API_KEY: null,
    tokens: {
      id_token: tokenUntil(expiresAt, "identity"),
      access_token: tokenUntil(expiresAt, "of-old"),
      refresh_token: refresh,
      account_id: "account-1",
    },
    last_refresh: new Date(0).toISOString(),
  };
}

/** Looks like a JSON Web Token; nobody here checks who signed it. */
function tokenUntil(expiresAt: number, name: string): string {
  const auth = { chatgpt_account_id: "account-1", chatgpt_plan_type: "pro", chatgpt_user_id: "user-1" };
  const claims = {
    exp: Math.floor(expiresAt / 1000),
    sub: name,
    email: "p@example.test",
    "https://api.openai.com/auth": auth,
  };
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url");
  return `${part({ alg: "RS256", typ: "JWT" })}.${part(claims)}.c2lnbmVk`;
}
