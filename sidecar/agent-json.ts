/** JSON that an agent wrote. Pure. */
import { isTooDeep, jsonDepthMax } from "../src/protocol/json-depth.ts";

/** Shorter text cannot be nested so deep that it does harm; most lines are, and are not looked at twice. */
const harmlessLength = 2_000;

/** Parses it. Throws when it is none, or when it is nested so deep that whoever walks or writes it would fail. */
export function parseAgentJson(text: string): unknown {
  if (text.length > harmlessLength && isTooDeep(text))
    throw new SyntaxError(`it is nested more than ${jsonDepthMax} deep`);
  return JSON.parse(text);
}
