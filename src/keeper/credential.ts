/** What a keeper puts where the stand-in was: a key that stays, or the token of a login, which it renews. */
import type { Dispatcher } from "undici";
import type { KeeperBootstrap } from "./bootstrap.ts";
import { freshLogin } from "./login.ts";

export interface Held {
  key: string;
  /** What the service wants to see beside it. */
  headers: Record<string, string>;
  /** It works, and something is wrong with it that a person should see to. */
  fault?: string;
}

export interface Credential {
  /** Rejects with a sentence for people. */
  current(): Promise<Held>;
  /** The service did not take this one. */
  refused(key: string): void;
}

const refusalMs = 60_000;

export function credentialOf({ key, login }: KeeperBootstrap, dispatcher: Dispatcher): Credential {
  if (key !== undefined) return { current: async () => ({ key, headers: {} }), refused: () => undefined };
  if (!login) throw new Error("a key keeper needs a key or a login");
  let refused: string | undefined;
  let refusedAt = 0;
  let asking: Promise<Held> | undefined;
  const ask = async () => {
    const { tokens, fault } = await freshLogin(login, { dispatcher, refused });
    return { key: tokens.access, headers: tokens.headers, ...(fault === undefined ? {} : { fault }) };
  };
  return {
    // Requests that come together wait for one answer.
    current: () => {
      asking ??= ask().finally(() => {
        asking = undefined;
      });
      return asking;
    },
    refused: (token) => {
      // A service that takes no token at all must not cost one after the other.
      if (Date.now() - refusedAt < refusalMs) return;
      refusedAt = Date.now();
      refused = token;
    },
  };
}
