/** A daemon's error → its message, and what to type about it: its own words are those of the API. Pure. */
import { AgentdError, messageOf } from "../src/protocol/error.ts";

/** `sessionId`: the session that was spoken to, when it is known. */
export function withAdvice(error: unknown, sessionId = "SESSION"): string {
  const advice = error instanceof AgentdError ? adviceFor(error.code, sessionId) : undefined;
  return advice === undefined ? messageOf(error) : `${messageOf(error).replace(/\.$/, "")}. ${advice}`;
}

/** The same for a code that came alone. */
export function adviceFor(code: string, sessionId: string): string | undefined {
  switch (code) {
    case "session_ended":
      return `On the command line: agentd run --resume ${sessionId} "…"`;
    case "invalid_work_dir":
      return "Name a project folder with --work-dir";
    default:
      return undefined;
  }
}
