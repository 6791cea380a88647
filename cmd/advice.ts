/** A daemon's error → its message, and what to type about it: its own words are those of the API. Pure. */
import { AgentdError, messageOf } from "../src/protocol/error.ts";

/** Where the API names a field of a request, a command has a word of its own. */
const apiAdvice = / Start a new one, with resume_session to go on from here$/;

/** `sessionId`: the session that was spoken to, when it is known. */
export function withAdvice(error: unknown, sessionId = sessionIn(error)): string {
  return error instanceof AgentdError ? advised(error, sessionId) : messageOf(error);
}

/** The same for a refusal in a frame. */
export function advised({ code, message }: { code: string; message: string }, sessionId: string): string {
  const advice = adviceFor(code, sessionId);
  return advice === undefined ? message : `${message.replace(apiAdvice, "").replace(/\.$/, "")}. ${advice}`;
}

function sessionIn(error: unknown): string {
  const id = error instanceof AgentdError ? error.details["session_id"] : undefined;
  return typeof id === "string" ? id : "SESSION";
}

function adviceFor(code: string, sessionId: string): string | undefined {
  switch (code) {
    case "session_ended":
    case "budget_spent":
      return `Go on from there with: agentd run --resume ${sessionId} "…"`;
    case "invalid_work_dir":
      return "Name a project folder with --work-dir";
    case "unknown_agent":
      return "Another one is named in config.json of the data dir, under agents, and the daemon started again";
    case "chat_not_found":
      return 'See them with "agentd chat list", or begin it with "agentd chat create"';
    default:
      return undefined;
  }
}
