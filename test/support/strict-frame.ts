/** What a socket of the daemon sent, held to the description of its frames: of a known type, with what belongs to it and no more. */
import { isDeepStrictEqual } from "node:util";
import { ServerFrame } from "../../src/protocol/frame.ts";

export function strictFrame(text: string): ServerFrame {
  const sent = JSON.parse(text);
  const { data: frame, error } = ServerFrame.safeParse(sent);
  // Clients pass over what they do not know, so the schema drops it without a word.
  if (frame && isDeepStrictEqual(frame, sent)) return frame;
  throw new Error(`The daemon sent a frame that is not as described: ${text.slice(0, 500)}`, { cause: error });
}
