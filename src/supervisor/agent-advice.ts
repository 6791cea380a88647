/**
 * What to do about an agent whose program, key or login is missing or not taken. The one place for these words: doctor says them of this
 * machine, sessions say them when their agent fails for want of it. Pure.
 */
import { basename } from "node:path";
import type { AgentSettings } from "../config.ts";
import type { Bootstrap } from "../protocol/bootstrap.ts";
import { defined } from "../protocol/defined.ts";
import { TestedName } from "../runtime/tested-agents.ts";
import { keyVariables } from "./agent-env.ts";

export interface AdvisedAgent {
  name: string;
  settings: AgentSettings;
  /** The daemon's own, which holds the keys. */
  environment: Readonly<Record<string, string | undefined>>;
}

export function programAdvice({ name, settings }: AdvisedAgent): string {
  if (settings.command !== undefined) return `Mend agents.${name}.command, or make the program executable`;
  return TestedName.safeParse(name).success && TestedName.safeParse(settings.harness).success
    ? `Install it: agentd agents install ${name}`
    : `Name it with agents.${name}.command`;
}

/** Undefined where the key that the configuration names is there, or none is named. */
export function missingKey({ settings, environment }: AdvisedAgent): string | undefined {
  return settings.key_env !== undefined && !environment[settings.key_env] ? settings.key_env : undefined;
}

export function missingKeyAdvice(name: string, variable: string): string {
  return `Set ${variable} where the daemon is started, or change agents.${name}.key_env`;
}

/** What each program is told to log in; the first asks for it when it is started. */
const loginWords: Partial<Record<AgentSettings["harness"], string>> = {
  claude: "",
  codex: " login",
  opencode: " auth login",
};

/** The commonest surprise first: a key in the environment that no agent is given. `program` is as it is to be typed. */
export function loginAdvice(agent: AdvisedAgent, program: string): string {
  const { name } = agent;
  const how = loginCommand(agent, program);
  const unused = unusedKey(agent);
  if (unused !== undefined) return `${unusedKeyAdvice(name, unused)}. Or: ${how}`;
  return `${how}, or name the variable that holds a key with agents.${name}.key_env`;
}

/** For the sidecar of a session, which finds out what is wrong and knows nothing of the configuration. */
export function adviceOf(agent: AdvisedAgent, { hasOwnHome, isContained }: SessionPlace): Bootstrap["advice"] {
  const { name } = agent;
  const image = `Build the image that has it ("agentd images build"), or name the program there with agents.${name}.command`;
  return defined({
    agent_not_found: isContained ? image : programAdvice(agent),
    auth_error: notTakenAdvice(agent, hasOwnHome || isContained),
  });
}

interface SessionPlace {
  /** Its agent sees no home of a person. */
  hasOwnHome: boolean;
  isContained: boolean;
}

/** Undefined where only the program knows what it needs, and says so itself. */
function notTakenAdvice(agent: AdvisedAgent, isApart: boolean): string | undefined {
  const { name, settings } = agent;
  const missing = missingKey(agent);
  if (missing !== undefined)
    return `${missing} is not set in the daemon's environment. ${missingKeyAdvice(name, missing)}`;
  if (settings.key_env !== undefined)
    return `The key in ${settings.key_env} is not taken: set one that is valid where the daemon is started, or change agents.${name}.key_env`;
  if (loginWords[settings.harness] === undefined) return undefined;
  // No path: this is told to whoever may read the session, and where the program is differs from machine to machine.
  const program = settings.command === undefined ? name : basename(settings.command);
  const where = `("agentd doctor ${name}" says where that program is)`;
  if (settings.login !== undefined) return `The login is not taken. ${loginCommand(agent, program)} again ${where}`;
  if (!isApart) return `${loginAdvice(agent, program)} ${where}`;
  const unused = unusedKey(agent);
  if (unused !== undefined) return unusedKeyAdvice(name, unused);
  return `It has a home of its own, in which nobody is logged in: name the variable that holds a key with agents.${name}.key_env`;
}

function loginCommand({ settings }: AdvisedAgent, program: string): string {
  const words = loginWords[settings.harness];
  return `As the daemon's user ${words === undefined ? "log in" : `run "${program}${words}" and log in`}`;
}

function unusedKey({ settings, environment }: AdvisedAgent): string | undefined {
  const own = settings.harness === "claude" ? /^(ANTHROPIC|CLAUDE)_/ : /^(OPENAI|CODEX)_/;
  return keyVariables.find((key) => environment[key] && (settings.harness === "opencode" || own.test(key)));
}

function unusedKeyAdvice(name: string, unused: string): string {
  return `${unused} is set, but agents get no key that the configuration does not name: set agents.${name}.key_env to "${unused}"`;
}
