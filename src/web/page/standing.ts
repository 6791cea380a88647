/** Whether the daemon lets this page in, and the token it is asked with: of this tab alone, gone when the tab is. */
import { signal } from "@preact/signals";
import { type DaemonAddress, DaemonUnreachable } from "../../client/address.ts";
import { listAgents } from "../../client/agents.ts";
import { type Client, createClient } from "../../client/client.ts";
import { pause } from "../../client/retry.ts";
import { AgentdError, messageOf } from "../../protocol/error.ts";

/** `asking`: nobody knows yet; `away`: no daemon answers; `out`: a token is needed. */
export type Standing = "asking" | "away" | "out" | "in";

const key = "agentd-token";
const awayMs = 2000;

export const standing = signal<Standing>("asking");
/** Why it was refused, in words; empty while nothing was. */
export const refusal = signal("");
/** Undefined also where none is asked for. */
export const token = signal(sessionStorage.getItem(key) ?? undefined);

/** The page is at the root of the API, which may be below a prefix of somebody else's server. */
const url = new URL(".", document.baseURI).href.replace(/\/$/, "");

export function address(): DaemonAddress {
  return { url, token: token.value, source: "this page's address" };
}

export function client(): Client {
  return createClient({ url, ...(token.value === undefined ? {} : { token: token.value }) });
}

/** With what is known from before the reload; a daemon that runs with --no-auth lets us in without. */
export async function enterAgain(): Promise<void> {
  for (;;) {
    try {
      await listAgents(address(), undefined);
      standing.value = "in";
      return;
    } catch (error) {
      if (!(error instanceof DaemonUnreachable)) return refuse(token.value === undefined ? "" : wordsOf(error));
      standing.value = "away";
      await pause(awayMs);
    }
  }
}

export async function enter(given: string): Promise<void> {
  const trimmed = given.trim();
  // What no header can carry would look like a daemon that is away.
  if (!/^[\x21-\x7e]+$/.test(trimmed))
    return refuse("That is no token: it has no spaces and only plain letters, digits and signs.");
  token.value = trimmed;
  try {
    await listAgents(address(), undefined);
    sessionStorage.setItem(key, trimmed);
    refusal.value = "";
    standing.value = "in";
  } catch (error) {
    refuse(wordsOf(error));
  }
}

export function leave(): void {
  refuse("");
}

/** What a call came to, for people; one that was refused its token leads back to the login. */
export function noteFault(error: unknown): string {
  if (error instanceof AgentdError && error.code === "unauthorized") refuse(wordsOf(error));
  return messageOf(error);
}

function refuse(words: string): void {
  token.value = undefined;
  sessionStorage.removeItem(key);
  refusal.value = words;
  standing.value = "out";
}

function wordsOf(error: unknown): string {
  if (error instanceof AgentdError && error.code === "unauthorized")
    return "The daemon does not know this token, or no longer. Look at what “agentd token” prints on its machine.";
  return messageOf(error);
}
