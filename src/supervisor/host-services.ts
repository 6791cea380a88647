/** Which services outside of its container a session may use: what it asks for, out of what the operator lists. Pure. */
import { AgentdError } from "../protocol/error.ts";
import { type HostService, hostServicesMax } from "../protocol/host-service.ts";
import type { SessionRequest } from "../protocol/http.ts";

// biome-ignore lint/suspicious/noTemplateCurlyInString: it is the word of the wire
export const hostGateway = "${HOST_GATEWAY}";

/**
 * Those that the request names, and those at whose ports its tool servers are. Throws `not_permitted` for what is on no
 * list, naming the setting.
 */
export function hostServicesOf(request: SessionRequest, listed: readonly HostService[]): HostService[] {
  const named = (request.egress?.host_services ?? []).map((name) => {
    const service = listed.find((one) => one.name === name);
    if (service) return service;
    throw notPermitted(`the service "${name}" of the host`);
  });
  const used = serverUrls(request)
    .filter((url) => url.includes(hostGateway))
    .map((url) => {
      const port = portOf(url);
      const service = listed.find((one) => one.port === port);
      if (service) return service;
      throw notPermitted(`port ${port ?? "?"} of the host (${JSON.stringify(url.slice(0, 200))})`);
    });
  const services = [...new Set([...named, ...used])];
  const twice = services.find(({ port }, index) => services.findIndex((one) => one.port === port) !== index);
  if (twice !== undefined)
    throw new AgentdError(
      "invalid_request",
      `Cannot let the session reach two services of the host at port ${twice.port}: inside they have one address. Name one of them`,
    );
  if (services.length > hostServicesMax)
    throw new AgentdError(
      "invalid_request",
      `Cannot let the session reach ${services.length} services of the host: at most ${hostServicesMax} may be`,
    );
  return services;
}

function serverUrls({ mcp_servers, claude }: SessionRequest): string[] {
  const inJson: unknown = claude?.mcp_json?.["mcpServers"];
  const more = typeof inJson === "object" && inJson !== null ? Object.values(inJson) : [];
  return [...(mcp_servers ?? []), ...more].flatMap((server: unknown) => {
    const url = typeof server === "object" && server !== null && "url" in server ? server.url : undefined;
    return typeof url === "string" ? [url] : [];
  });
}

function portOf(url: string): number | undefined {
  const complete = url.replaceAll(hostGateway, "127.0.0.1");
  if (!URL.canParse(complete)) return undefined;
  const { port, protocol } = new URL(complete);
  return port === "" ? (protocol === "https:" ? 443 : 80) : Number(port);
}

function notPermitted(what: string): AgentdError {
  return new AgentdError(
    "not_permitted",
    `Cannot let the session reach ${what}: the operator does not list it. Leave it out, or add it to egress.host_services in the configuration`,
  );
}
