/** An error answer → what to throw for it. Tolerant: an older daemon sends free text. */
import * as z from "zod";
import { AgentdError, type ErrorCode, errorStatus } from "../protocol/error.ts";
import { type DaemonAddress, DaemonUnreachable } from "./address.ts";

const Body = z.looseObject({ error: z.string(), message: z.string().optional() });

/** A page of HTML is from no daemon. */
export function readErrorAnswer(
  address: DaemonAddress,
  { status, text }: { status: number; text: string },
): AgentdError | DaemonUnreachable {
  const body = Body.safeParse(parseJson(text));
  if (!body.success)
    return isPage(text)
      ? noDaemon(address, { status, text })
      : new AgentdError(
          "internal",
          `What answers at ${address.url} (${address.source}) says ${status}, ${wordsOf(text)}. ${otherAddress}`,
        );
  const { error, message, ...details } = body.data;
  if (!isErrorCode(error))
    return new AgentdError(status === 404 ? "not_found" : "internal", message ?? error, {
      details: { ...details, status },
    });
  // Which token that was is known to those who looked for one.
  const told = error === "unauthorized" ? { ...details, sent_token: address.token !== undefined } : details;
  return new AgentdError(error, message ?? error, { details: told });
}

/** An answer that no daemon of any version gives. */
export function noDaemon(
  { url, source }: DaemonAddress,
  { status, text, cause }: { status: number; text: string; cause?: unknown },
): DaemonUnreachable {
  return new DaemonUnreachable(
    `Something that is no agentd answers at ${url} (${source}): ${status}, ${wordsOf(text)}. ${otherAddress}`,
    { named: !source.startsWith("daemon.json"), cause },
  );
}

export function isErrorCode(text: string): text is ErrorCode {
  return Object.hasOwn(errorStatus, text);
}

const otherAddress = 'Name the daemon with --url or --port, or start one on another port: "agentd serve --port 0"';
const shownMax = 80;

function isPage(text: string): boolean {
  return /^\s*<(?:!doctype|html|head|body|\?xml)\b/i.test(text);
}

/** Enough of it to know who says so, in a line. */
function wordsOf(text: string): string {
  if (isPage(text)) return "a page of HTML";
  const line = text.trim().replaceAll(/\s+/g, " ");
  if (line === "") return "without a word";
  return JSON.stringify(line.length > shownMax ? `${line.slice(0, shownMax)}…` : line);
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
