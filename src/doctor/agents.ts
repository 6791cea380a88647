/** Each agent of the configuration: its program, that program's version, and its key or login. */
import type { AgentSettings, Config } from "../config.ts";
import { type FoundAgent, locateAgent } from "../runtime/find-agent.ts";
import { programVersion } from "../runtime/program-version.ts";
import { placeOf, type TestedAgent, TestedName, testedAgents } from "../runtime/tested-agents.ts";
import {
  type AdvisedAgent,
  loginAdvice,
  missingKey,
  missingKeyAdvice,
  programAdvice,
} from "../supervisor/agent-advice.ts";
import { agentEnv } from "../supervisor/agent-env.ts";
import { type Examined, type Finding, finding } from "./finding.ts";
import { loginOf } from "./login.ts";

interface Subject {
  name: string;
  settings: AgentSettings;
  config: Config;
  /** What the agent would get in the person's home. */
  env: Record<string, string>;
  tested: TestedAgent | undefined;
}

export async function checkAgents({ config }: Examined): Promise<Finding[]> {
  if (config === undefined) return [];
  const all = await Promise.all(Object.keys(config.agents).map((name) => checkAgent(config, name)));
  return [...all.flat(), ...anyReady(all)];
}

export function programOf(config: Config, name: string): FoundAgent | undefined {
  const command = config.agents[name]?.command;
  return locateAgent({ name, command, path: config.environment["PATH"], dataDir: config.dataDir });
}

async function checkAgent(config: Config, name: string): Promise<Finding[]> {
  const settings = config.agents[name];
  if (settings === undefined) return [];
  const env = agentEnv({
    harness: settings.harness,
    daemon: config.environment,
    settings,
    request: {},
    privateHome: undefined,
    temporaryDir: "/tmp",
  });
  const known = TestedName.safeParse(settings.harness);
  const subject = { name, settings, config, env, tested: known.success ? testedAgents[known.data] : undefined };
  const found = programOf(config, name);
  if (found === undefined) return [notFound(subject)];
  const program = finding(name, "program", "ok", `${found.program} (${sourceWords[found.source]})`);
  if (settings.harness === "generic") return [program];
  return [program, await versionFinding(subject, found), await loginFinding(subject)];
}

const sourceWords: Readonly<Record<FoundAgent["source"], string>> = {
  configuration: "configured",
  installed: "installed by agentd",
  path: "in PATH",
  beside: "beside agentd",
};

function notFound({ name, settings, config }: Subject): Finding {
  const advice = programAdvice(advisedAgent(name, settings, config));
  if (settings.command !== undefined)
    return finding(name, "program", "wrong", `there is no program "${settings.command}"`, advice);
  // Those that are always there need not be used.
  return finding(name, "program", isConfigured(settings) ? "wrong" : "note", "not found", advice);
}

function advisedAgent(name: string, settings: AgentSettings, { environment }: Config): AdvisedAgent {
  return { name, settings, environment };
}

function isConfigured(settings: AgentSettings): boolean {
  return settings.key_env !== undefined || settings.base_url !== undefined || Object.keys(settings.env).length > 0;
}

async function versionFinding({ name, settings, env, tested }: Subject, { program }: FoundAgent): Promise<Finding> {
  if (tested === undefined)
    return finding(name, "version", "note", "not looked at: agentd is tested with other programs of this protocol");
  const said = await programVersion(program, { args: settings.args, env });
  const range = tested.oldest === tested.newest ? tested.newest : `${tested.oldest} to ${tested.newest}`;
  const isOurs = settings.command === undefined && name in testedAgents;
  const advice = isOurs ? `agentd agents install ${name}` : `Tested is ${range}`;
  const place = placeOf(said.version, tested);
  switch (place) {
    case "tested":
      return finding(name, "version", "ok", `${said.version}, tested`);
    case "older":
    case "newer":
      return finding(name, "version", "warning", `${said.version}, ${place} than the tested ${range}`, advice);
    case "unreadable":
      return finding(name, "version", "wrong", `the program does not say its version: ${said.fault}`, advice);
    default:
      return place satisfies never;
  }
}

async function loginFinding(subject: Subject): Promise<Finding> {
  const { name, settings, config, env } = subject;
  const agent = advisedAgent(name, settings, config);
  const missing = missingKey(agent);
  if (missing !== undefined)
    return finding(
      name,
      "login",
      "wrong",
      `${missing} is not set in this environment`,
      missingKeyAdvice(name, missing),
    );
  const login = await loginOf(settings.harness, env);
  switch (login.kind) {
    case "key":
      return finding(name, "login", "ok", `a key in ${login.from}`);
    case "login":
      return finding(name, "login", "ok", `logged in (${login.from})`);
    case "unknown":
      return finding(name, "login", "note", `cannot be told: ${login.why}`);
    case "none":
      return finding(
        name,
        "login",
        "warning",
        `no key, and no login in ${login.looked}`,
        // Its path: the program may be in no PATH of a person's.
        loginAdvice(agent, programOf(config, name)?.program ?? name),
      );
    default:
      return login satisfies never;
  }
}

/** Each may be missing; all may not. */
function anyReady(agents: readonly Finding[][]): Finding[] {
  const stands = (findings: readonly Finding[], check: string, status: Finding["status"]) =>
    findings.some((each) => each.check === check && each.status === status);
  const isReady = agents.some(
    (findings) =>
      stands(findings, "program", "ok") &&
      !findings.some(({ status }) => status === "wrong") &&
      !stands(findings, "login", "warning"),
  );
  if (isReady) return [];
  const isThere = agents.some((findings) => stands(findings, "program", "ok"));
  const login = "log in to one, or name the variable of a key with agents.NAME.key_env";
  const [what, advice] = isThere
    ? ["none can be used: those that are there have no key and no login", `As said below: ${login}`]
    : ["none can be used: no program is there", `Install one ("agentd agents install"), then ${login}`];
  return [finding("machine", "agents", "wrong", what, advice)];
}
