/** JSON that an agent wrote. Pure. */
import { jsonExcess } from "../src/protocol/json-depth.ts";

/** Shorter text cannot be nested so deep that it does harm; most lines are, and are not looked at twice. */
const harmlessLength = 2_000;

/** Parses it. Throws when it is none, or when there is so much of it that whoever walks or writes it would fail. */
export function parseAgentJson(text: string): unknown {
  const excess = text.length > harmlessLength ? jsonExcess(text) : undefined;
  if (excess !== undefined) throw new SyntaxError(`it is ${excess}`);
  return JSON.parse(text);
}
