/** The names that agents give to their conversations, messages, calls and questions, and that are remembered by the thousand. */
import * as z from "zod";

/** Some gateways put a model's signature into one. What is longer names nothing: its line is kept as it is and tells us nothing. */
export const idCharactersMax = 8 * 1024;

export const agentId = z.string().max(idCharactersMax);
export const optionalId = agentId.nullish().catch(undefined);

/** The same where no schema is asked. */
export function isAgentId(value: unknown): value is string {
  return typeof value === "string" && value.length <= idCharactersMax;
}
