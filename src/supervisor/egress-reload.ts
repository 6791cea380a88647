/** `egress` of the configuration, read again while sessions run: what they may reach is changed, and nothing that is open is cut. */
import type { Config } from "../config.ts";
import type { EgressPolicy } from "../protocol/egress.ts";
import { messageOf } from "../protocol/error.ts";
import type { EgressInForce } from "../protocol/http.ts";
import type { SessionSpec } from "../protocol/session.ts";
import type { Context } from "./context.ts";
import { egressNow } from "./egress.ts";
import { egressChanges } from "./egress-changes.ts";

/**
 * All or nothing: it rejects with all as it was when a runtime does not take it, for one session or for all. Of the rest of the
 * file nothing is heeded. One call after the other; the file is read when it is this one's turn.
 */
export function reloadEgress(context: Context, reread: () => Config): Promise<EgressInForce> {
  return context.egressTurns.run(async () => {
    const before = context.config;
    const { egress, extraAuthorities } = reread();
    const config = Object.freeze({ ...before, egress, extraAuthorities });
    const changed = new Set(await change(context, config));
    context.config = config;
    // Of sessions that came up meanwhile, by the configuration as it was.
    for (const id of await renew(context)) changed.add(id);
    const changes = egressChanges(before, config);
    const sessions = [...policiesOf(liveSpecs(context), config).keys()];
    context.log("info", "egress was read again", {
      sessions: sessions.length,
      changed_sessions: changed.size,
      settings: changes.map(({ setting }) => setting),
    });
    return {
      mode: egress.mode,
      allow: egress.allow,
      permit: egress.permit,
      host_services: egress.host_services.map(({ name }) => name),
      upstream_proxy: egress.upstream_proxy === undefined ? null : new URL(egress.upstream_proxy).origin,
      ca_certificates: egress.ca_certificates,
      sessions,
      changes,
      changed_sessions: [...changed],
    };
  });
}

/** What the configuration says now holds for sessions that began under another one. They are live: they go on if it cannot be. */
export async function renewEgress(context: Context): Promise<void> {
  await context.egressTurns.run(() => renew(context));
}

async function renew(context: Context): Promise<string[]> {
  if (policiesOf(liveSpecs(context), context.config).size === 0) return [];
  try {
    return await change(context, context.config);
  } catch (error) {
    context.log(
      "error",
      `Cannot let the sessions that go on have the egress of the configuration: ${messageOf(error)}`,
    );
    return [];
  }
}

/** Resolves with the sessions that may reach something else than before. */
async function change(context: Context, config: Config): Promise<string[]> {
  const { egress, extraAuthorities } = config;
  const policies = policiesOf(liveSpecs(context), config);
  const changed: string[] = [];
  for (const runtime of context.runtimes.values())
    changed.push(
      ...(await runtime.changeEgress({ upstream: egress.upstream_proxy, extraAuthorities, policies })).changed,
    );
  return changed;
}

function policiesOf(specs: readonly SessionSpec[], config: Config): Map<string, EgressPolicy> {
  return new Map(
    specs.flatMap((spec) => {
      const policy = egressNow(spec, config);
      return policy ? [[spec.session_id, policy] as const] : [];
    }),
  );
}

/** Nobody attends to some: what they may reach is the operator's to say all the same. Whose record cannot be read keeps what it had. */
function liveSpecs({ registry, unreadables }: Context): SessionSpec[] {
  const attended = registry.all().flatMap(({ session, attendance }) => (attendance ? [session.spec] : []));
  const unattended = unreadables.all().flatMap(({ spec, isAlive }) => (spec && isAlive ? [spec] : []));
  return [...attended, ...unattended];
}
