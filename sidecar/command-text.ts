/** A command as it comes over a socket → a command, or what is wrong with it. Pure. */
import * as z from "zod";
import { Command, CommandFrame } from "../src/protocol/command.ts";
import { messageOf } from "../src/protocol/error.ts";

export type ReceivedCommand =
  | { id: string | undefined; command: Command; error?: undefined }
  | { id: string | undefined; error: string };

const commandTypes: readonly string[] = Command.options.map((option) => option.shape.type.value);

/** Older clients send `data: null` where they have nothing to say. */
const Envelope = z.looseObject({ type: z.string(), data: z.unknown().optional() });

export function readCommand(text: string): ReceivedCommand {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    return { id: undefined, error: `invalid command json: ${messageOf(error)}` };
  }
  const id = CommandFrame.safeParse(value).data?.id;
  const envelope = Envelope.safeParse(value);
  if (!envelope.success) return { id, error: "invalid command json: expected an object with a type" };
  const { type, data } = envelope.data;
  if (!commandTypes.includes(type)) return { id, error: `unknown command type: ${type}` };
  const parsed = Command.safeParse({ type, data: data ?? (needsContent(type) ? { content: "" } : {}) });
  if (parsed.success) return { id, command: parsed.data };
  const [issue] = parsed.error.issues;
  // A prompt without a text is the same mistake as one with an empty text, and older clients know that answer.
  if (needsContent(type) && issue?.path.at(-1) === "content") return { id, error: `${type} content is required` };
  return {
    id,
    error: `invalid ${type} command at ${issue?.path.join(".") ?? "data"}: ${issue?.message ?? "wrong shape"}`,
  };
}

function needsContent(type: string): boolean {
  return type === "prompt" || type === "steer";
}
