/** A daemon's error → its message, and what to type about it: its own words are those of the API. Pure. */
import type { Environment } from "../src/client/daemon-address.ts";
import { AgentdError, messageOf } from "../src/protocol/error.ts";

/** Where the API names a field or a method, a command has a word of its own. */
const apiAdvice = / (?:Start a new one, with resume_session to go on from here|Choose another, or delete that one)$/;

/** `sessionId`: the session that was spoken to, when it is known. `env`: where a token may have come from. */
export function withAdvice(error: unknown, { sessionId = sessionIn(error), env = {} }: AdviceFacts = {}): string {
  if (!(error instanceof AgentdError)) return messageOf(error);
  return error.code === "unauthorized" ? refusedToken(error, env) : advised(error, sessionId);
}

interface AdviceFacts {
  sessionId?: string;
  env?: Environment;
}

/** The same for a refusal in a frame. */
export function advised({ code, message }: { code: string; message: string }, sessionId: string): string {
  const advice = adviceFor(code, sessionId);
  return advice === undefined ? message : `${message.replace(apiAdvice, "").replace(/\.$/, "")}. ${advice}`;
}

const apiHeader = /: send the header [\s\S]*$/;

/** The daemon speaks of headers; who typed a command has a variable and a data dir. */
function refusedToken({ message, details }: AgentdError, env: Environment): string {
  const found = message.replace(apiHeader, "");
  const isSet = Boolean(env["AGENTD_TOKEN"]);
  // With AGENTD_TOKEN set it would print that.
  const right = `a token of that daemon: where it runs, "${isSet ? "env -u AGENTD_TOKEN " : ""}agentd token" prints one`;
  if (details["sent_token"] === false)
    return `${found}: AGENTD_TOKEN is not set, and the data dir's token is for its own daemon. Set AGENTD_TOKEN to ${right}`;
  if (isSet)
    return `${found}: it was AGENTD_TOKEN's. Set AGENTD_TOKEN to ${right}; unset, the data dir's is sent to its own daemon`;
  return `${found}: it was the data dir's. Set AGENTD_TOKEN to ${right}`;
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
    case "name_taken":
      return `Choose another, or remove that one with: agentd rm ${sessionId}`;
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
