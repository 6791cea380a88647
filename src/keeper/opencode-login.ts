/**
 * The file in which OpenCode keeps logins of many makers, one entry a service; a session gets the one of its service. Read from
 * opencode 1.18.33, which renews OpenAI's logins (ChatGPT) by itself and knows no other maker's. Pure.
 */
import * as z from "zod";
import type { FreshTokens, LoginTokens } from "./login-file.ts";

const Entry = z.discriminatedUnion("type", [
  z.looseObject({
    type: z.literal("oauth"),
    access: z.string().min(1),
    refresh: z.string(),
    expires: z.number(),
    accountId: z.string().optional(),
  }),
  z.looseObject({ type: z.literal("api"), key: z.string().min(1) }),
]);
type Entry = z.infer<typeof Entry>;

const File = z.record(z.string(), z.unknown());

/** Throws an Error with one sentence, which never repeats what is in the file. */
export function opencodeTokens(service: string, text: string): LoginTokens {
  const entry = entryOf(service, text);
  if (entry.type === "api")
    return { access: entry.key, refresh: undefined, expiresAt: undefined, headers: {}, scopes: [] };
  const { access, refresh, expires } = entry;
  return { access, refresh: refresh || undefined, expiresAt: expires, headers: {}, scopes: [] };
}

export function opencodeWithFresh(service: string, text: string, fresh: FreshTokens): string {
  const entry = entryOf(service, text);
  if (entry.type === "api") return text;
  const tokens = {
    access: fresh.access,
    refresh: fresh.refresh ?? entry.refresh,
    expires: fresh.expiresAt ?? entry.expires,
  };
  return JSON.stringify({ ...fileOf(text), [service]: { ...entry, ...tokens } });
}

/** It renews when the token has ended, with what it finds: there is nothing to be found. */
export function opencodeForSession(service: string, text: string): string {
  const entry = entryOf(service, text);
  if (entry.type === "api") return JSON.stringify({ [service]: { type: "api", key: entry.key } });
  const { access, expires, accountId } = entry;
  const account = accountId === undefined ? {} : { accountId };
  return JSON.stringify({ [service]: { type: "oauth", refresh: "", access, expires, ...account } });
}

function entryOf(service: string, text: string): Entry {
  const found = fileOf(text)[service];
  if (found === undefined) throw new Error(`it holds no login for "${service}"`);
  const entry = Entry.safeParse(found).data;
  if (!entry) throw new Error(`its login for "${service}" is neither a key ("api") nor tokens ("oauth")`);
  if (entry.type === "oauth" && service !== "openai")
    throw new Error(
      `nobody here can renew tokens of "${service}": OpenCode knows how for "openai" alone. Use a key for it`,
    );
  return entry;
}

function fileOf(text: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new Error("it is not JSON");
  }
  const file = File.safeParse(value).data;
  if (!file) throw new Error("it holds no login of this agent");
  return file;
}
