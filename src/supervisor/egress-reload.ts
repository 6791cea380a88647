/** `egress` of the configuration, read again while sessions run: what they may reach is changed, and nothing that is open is cut. */
import type { Config } from "../config.ts";
import type { EgressPolicy } from "../protocol/egress.ts";
import { messageOf } from "../protocol/error.ts";
import type { EgressInForce } from "../protocol/http.ts";
import type { SessionSpec } from "../protocol/session.ts";
import type { Context } from "./context.ts";
import { egressNow } from "./egress.ts";

/** Rejects, with all as it was, when a runtime does not take it. Of the rest of the file nothing is heeded. */
export async function reloadEgress(context: Context, fresh: Config): Promise<EgressInForce> {
  const { egress, extraAuthorities } = fresh;
  const config = Object.freeze({ ...context.config, egress, extraAuthorities });
  const policies = policiesOf(liveSpecs(context), config);
  await change(context, config, policies);
  context.config = config;
  context.log("info", "egress was read again", { sessions: policies.size });
  return {
    mode: egress.mode,
    allow: egress.allow,
    permit: egress.permit,
    host_services: egress.host_services.map(({ name }) => name),
    upstream_proxy: egress.upstream_proxy === undefined ? null : new URL(egress.upstream_proxy).origin,
    ca_certificates: egress.ca_certificates,
    sessions: [...policies.keys()],
  };
}

/** What the configuration says now holds for sessions that began under another one. They are live: they go on if it cannot be. */
export async function renewEgress(context: Context, specs = liveSpecs(context)): Promise<void> {
  const policies = policiesOf(specs, context.config);
  if (policies.size === 0) return;
  try {
    await change(context, context.config, policies);
  } catch (error) {
    context.log(
      "error",
      `Cannot let the sessions that go on have the egress of the configuration: ${messageOf(error)}`,
    );
  }
}

async function change(
  { runtimes }: Context,
  { egress, extraAuthorities }: Config,
  policies: ReadonlyMap<string, EgressPolicy>,
): Promise<void> {
  for (const runtime of runtimes.values())
    await runtime.changeEgress({ upstream: egress.upstream_proxy, extraAuthorities, policies });
}

function policiesOf(specs: readonly SessionSpec[], config: Config): Map<string, EgressPolicy> {
  return new Map(
    specs.flatMap((spec) => {
      const policy = egressNow(spec, config);
      return policy ? [[spec.session_id, policy] as const] : [];
    }),
  );
}

function liveSpecs({ registry }: Context): SessionSpec[] {
  return registry.all().flatMap(({ session, attendance }) => (attendance ? [session.spec] : []));
}
