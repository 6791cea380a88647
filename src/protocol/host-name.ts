/** Names of hosts as policies compare them: one spelling each. */
import * as z from "zod";

/** Two labels or more; the last begins with a letter, so that no spelling of an IP address is a name. */
const hostName = /^(?=.{1,253}$)(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?\.)+[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?$/;

/** Lower case, punycode, without a dot at the end; undefined for what is no name of a host. */
export function normalHostName(text: string): string | undefined {
  // What a URL would cut off or decode is no part of a name.
  if (/[\s\0/\\?#@:%[\]]/.test(text)) return undefined;
  const url = `http://${text}`;
  const name = URL.canParse(url) ? new URL(url).hostname.replace(/\.$/, "") : "";
  return hostName.test(name) ? name : undefined;
}

/** A name, or `*.` before one for all names below it. */
export const HostPattern = z.string().transform((text, context) => {
  const isBelow = text.startsWith("*.");
  const name = normalHostName(isBelow ? text.slice(2) : text);
  if (name !== undefined) return isBelow ? `*.${name}` : name;
  context.addIssue({
    code: "custom",
    message: `expected a host name such as "api.example.com", or "*.example.com" for all names below it, found ${JSON.stringify(text.slice(0, 80))}`,
  });
  return z.NEVER;
});

/** Whether everything that `asked` stands for is covered by one of the patterns. */
export function isCovered(asked: string, patterns: readonly string[]): boolean {
  return patterns.some((pattern) => {
    if (pattern === asked) return true;
    const parent = pattern.startsWith("*.") ? pattern.slice(1) : undefined;
    return parent !== undefined && asked.replace(/^\*/, "").endsWith(parent) && asked !== parent.slice(1);
  });
}
