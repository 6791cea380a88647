/**
 * What a session in a container may reach: its model, what the operator allows all, what the request adds. What the operator
 * says may change while it runs. Pure.
 */
import type { AgentSettings, Config } from "../config.ts";
import type { HarnessName } from "../protocol/bootstrap.ts";
import { defined } from "../protocol/defined.ts";
import type { EgressPolicy } from "../protocol/egress.ts";
import { AgentdError } from "../protocol/error.ts";
import { isCovered, normalHostName } from "../protocol/host-name.ts";
import type { SessionRequest } from "../protocol/http.ts";
import type { SessionSpec } from "../protocol/session.ts";
import { hostServicesOf } from "./host-services.ts";

/** Where the agents find their models when nobody names another address. */
const modelHosts: Readonly<Record<HarnessName, readonly string[]>> = {
  claude: ["api.anthropic.com"],
  codex: ["api.openai.com", "chatgpt.com"],
  opencode: ["api.anthropic.com", "api.openai.com", "opencode.ai", "models.dev"],
  acp: ["api.anthropic.com", "api.openai.com"],
  generic: [],
};

/** Throws `not_permitted` naming what the operator does not let requests add. */
export function egressOf(request: SessionRequest, { egress, agents }: Config): EgressPolicy {
  const asked = request.egress?.allow ?? [];
  const refused = asked.find((name) => !isCovered(name, [...egress.allow, ...egress.permit]));
  if (refused !== undefined) {
    throw new AgentdError(
      "not_permitted",
      `Cannot let the session reach "${refused}": the operator does not permit it. Leave it out, or add it to egress.permit in the configuration`,
    );
  }
  const allow = new Set([...hostsOfModel(agents[request.agent]), ...egress.allow, ...asked]);
  const services = hostServicesOf(request, egress.host_services);
  return {
    mode: egress.mode,
    allow: [...allow],
    asked,
    ...defined({ host_services: services.length > 0 ? services : undefined }),
  };
}

/** What a session that is there may reach by the configuration as it is now; undefined for one without a container. */
export function egressNow(
  { agent, egress: begun }: Pick<SessionSpec, "agent" | "egress">,
  { egress, agents }: Config,
): EgressPolicy | undefined {
  if (!begun) return undefined;
  const permitted = [...egress.allow, ...egress.permit];
  const asked = (begun.asked ?? begun.allow).filter((name) => isCovered(name, permitted));
  return {
    ...begun,
    mode: egress.mode,
    allow: [...new Set([...hostsOfModel(agents[agent]), ...egress.allow, ...asked])],
  };
}

function hostsOfModel(settings: AgentSettings | undefined): readonly string[] {
  // Whose key is hidden reaches its model by its keeper, which goes there from outside of the container.
  if (!settings || settings.hide_key) return [];
  if (settings.base_url === undefined) {
    const hosts = modelHosts[settings.harness];
    // With a login of ChatGPT it asks there, whatever address it was told (1.18.33).
    return settings.harness === "opencode" && settings.login !== undefined ? [...hosts, "chatgpt.com"] : hosts;
  }
  const name = normalHostName(new URL(settings.base_url).hostname);
  return name === undefined ? [] : [name];
}
