/** What is asked in a chat: by the session that runs, and by no other. Pure. */
import type { InputRequired } from "../../protocol/event.ts";
import type { SessionView } from "../../protocol/http.ts";
import type { Conversation } from "../session/conversation.ts";
import { askedBy, namedInput } from "./session-names.ts";

export type Asking = Pick<SessionView, "session_id" | "inputs">;

/** Open questions, oldest first, by their names in the chat. */
export function openInChat(conversation: Conversation, session: Asking | undefined): InputRequired[] {
  if (!session) return [];
  return conversation
    .openInputs(listedBy(session))
    .filter(({ request_id }) => askedBy(request_id).sessionId === session.session_id);
}

/** Forgets those that nobody waits for any more: their answers came while nobody listened, or never will. */
export function keepAsked({ inputs }: Conversation, session: Asking | undefined): void {
  const kept = new Set(session ? listedBy(session).map(({ request_id }) => request_id) : []);
  for (const id of inputs.keys()) if (!kept.has(id)) inputs.delete(id);
}

function listedBy({ session_id, inputs = [] }: Asking): InputRequired[] {
  return inputs.map((input) => namedInput(input, session_id));
}
