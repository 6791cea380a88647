/** Takes secrets out of what the daemon says to its operator: by the names of fields, by shape, and by value. Pure. */
import { isSecretName, secretLengthMin } from "../protocol/secrets.ts";

/** Objects that are made of values nobody should read: their keys are shown, their values are not. */
const opaqueObjects = new Set(["env", "environment", "headers"]);

/** What looks like a secret in the midst of a text. */
const shapes: readonly (readonly [pattern: RegExp, shown: string])[] = [
  [/\b(Bearer|Basic)\s+[A-Za-z0-9._~+/=-]{6,}/gi, "$1 [redacted]"],
  [/\b(?:sk|pk|rk)-[A-Za-z0-9_-]{12,}/g, "[redacted]"],
  [/\bgh[pousr]_[A-Za-z0-9]{20,}/g, "[redacted]"],
  [/\bxox[abpr]-[A-Za-z0-9-]{10,}/g, "[redacted]"],
  [/\bAKIA[0-9A-Z]{16}\b/g, "[redacted]"],
  [/\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*/g, "[redacted]"],
  [/\b([a-z][a-z0-9+.-]{0,20}:\/\/)[^\s/?#@"]+@/gi, "$1[redacted]@"],
  [/\b([A-Z][A-Z0-9_]*(?:KEY|TOKEN|SECRET|PASSWORD))=[^\s"',;]+/g, "$1=[redacted]"],
  [/([?&](?:token|key|api_key|access_token)=)[^\s&"']+/gi, "$1[redacted]"],
];

const shown = "[redacted]";
const depthMax = 8;
const entriesMax = 200;
const textMax = 16 * 1024;

export interface Redactor {
  /** A copy in which no secret is left; errors become plain objects. */
  value(given: unknown): unknown;
  text(given: string): string;
  /** Another value that is secret. */
  hide(secret: string): void;
}

/** `secrets` are values that are known to be secret, whatever they look like. */
export function createRedactor(secrets: readonly string[]): Redactor {
  const known: string[] = [];
  const hide = (secret: string) => {
    if (secret.length < secretLengthMin || known.includes(secret)) return;
    known.push(secret);
    // Longer ones first: one may begin another.
    known.sort((a, b) => b.length - a.length);
  };
  for (const secret of secrets) hide(secret);
  const text = (given: string): string => {
    let out = given.length > textMax ? `${given.slice(0, textMax)}… (${given.length} characters)` : given;
    for (const secret of known) if (out.includes(secret)) out = out.replaceAll(secret, shown);
    for (const [pattern, replacement] of shapes) out = out.replace(pattern, replacement);
    return out;
  };
  const value = (given: unknown, depth = 0): unknown => {
    if (typeof given === "string") return text(given);
    if (typeof given === "bigint" || typeof given === "symbol") return String(given);
    if (typeof given !== "object" || given === null) return typeof given === "function" ? "[function]" : given;
    if (depth >= depthMax) return "[deeper]";
    if (given instanceof Date) return given.toISOString();
    if (ArrayBuffer.isView(given)) return `[${given.byteLength} bytes]`;
    if (Array.isArray(given)) return given.slice(0, entriesMax).map((item) => value(item, depth + 1));
    const entries = given instanceof Error ? entriesOf(given) : Object.entries(given);
    return Object.fromEntries(
      entries.slice(0, entriesMax).map(([name, inner]) => {
        if (isSecretName(name) && inner !== undefined && inner !== null && typeof inner !== "boolean")
          return [name, shown];
        return [name, opaqueObjects.has(name.toLowerCase()) ? hidden(inner) : value(inner, depth + 1)];
      }),
    );
  };
  return { value: (given) => value(given), text, hide };
}

/** An error's own words, its cause, and what else it carries. */
function entriesOf(error: Error): [string, unknown][] {
  const { name, message, stack, cause } = error;
  const rest = Object.entries(error).filter(([key]) => !["name", "message", "stack", "cause"].includes(key));
  const isOfNote = (entry: [string, unknown]) => entry[1] !== undefined;
  const all: [string, unknown][] = [["name", name], ["message", message], ["stack", stack], ["cause", cause], ...rest];
  return all.filter(isOfNote);
}

function hidden(given: unknown): unknown {
  if (typeof given !== "object" || given === null) return given === undefined || given === null ? given : shown;
  if (Array.isArray(given)) return given.map(() => shown);
  return Object.fromEntries(
    Object.keys(given)
      .slice(0, entriesMax)
      .map((key) => [key, shown]),
  );
}
