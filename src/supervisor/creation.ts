/** Creating a session: what is checked, what is reserved, what is on disk before its sidecar starts. */
import { randomUUID } from "node:crypto";
import { mkdir, rm, stat } from "node:fs/promises";
import type { Config } from "../config.ts";
import type { ContainerSpec } from "../protocol/container.ts";
import type { EgressPolicy } from "../protocol/egress.ts";
import { AgentdError, errnoOf, isDiskFull, messageOf } from "../protocol/error.ts";
import type { SessionRequest } from "../protocol/http.ts";
import type { ResourceLimits } from "../protocol/resources.ts";
import type { SessionSpec } from "../protocol/session.ts";
import type { Runtime, SidecarHandle } from "../runtime/runtime.ts";
import { createHome, removeHome, type SessionHome, sessionHome } from "../session/home.ts";
import { writeRecord } from "../session/record.ts";
import { Session } from "../session/session.ts";
import { readTraceparent } from "../session/trace-context.ts";
import { type AgentOptions, agentOptionsOf, checkExecutables } from "./agent-options.ts";
import type { Attendance } from "./attendance.ts";
import { type Attended, attended } from "./attended.ts";
import { bootstrapOf } from "./bootstrap.ts";
import { containerOf } from "./container.ts";
import { type Context, runDirOf, workDirGuard } from "./context.ts";
import { egressOf } from "./egress.ts";
import { renewEgress } from "./egress-reload.ts";
import { checkElsewhere } from "./elsewhere.ts";
import { type Entry, recordOf } from "./entry.ts";
import { checkNoOwnKey } from "./hidden-key.ts";
import { checkHonoured } from "./honoured.ts";
import { checkKeptHome } from "./kept-home.ts";
import { placeSpecOf } from "./place-spec.ts";
import { programPlacesOf } from "./program-places.ts";
import { checkSecretEnv } from "./redaction.ts";
import { takenId, takenName } from "./registry.ts";
import { checkRequestEnv } from "./request-env.ts";
import { resourcesOf } from "./resources.ts";
import { type Resumed, resumedBy } from "./resuming.ts";
import { assertUnmoved, type SeenPlace, seePlaces } from "./seen-places.ts";
import { warnOfSharedDir } from "./shared-dir.ts";
import { agentHomeOf, checkNames, checkSessionId, inputTimeoutOf, specOf } from "./spec.ts";
import { checkWorkDir, type WorkDirGuard } from "./work-dir.ts";

export interface Created {
  entry: Entry;
  turnId: string | undefined;
}

/** What of a request is not its body. */
export interface Caller {
  /** The name of its token. */
  by?: string | undefined;
  /** The header of that name. */
  traceparent?: string | undefined;
  /** A digest of the Idempotency-Key. */
  request?: string | undefined;
  /** Where a session works on this machine whose request names no folder; by default in one of its own. */
  scratch?: string | undefined;
}

/** What was found out about a request before anything was made. */
interface Found {
  /** By which it was judged. */
  config: Config;
  agent: string;
  runtime: Runtime;
  requestedDir: string | undefined;
  /** Folders of this machine that it is to work in or see. */
  places: readonly SeenPlace[];
  resumed: Resumed | undefined;
  options: AgentOptions;
  resources: ResourceLimits | undefined;
  traceparent: string | undefined;
  request: string | undefined;
  by: string | undefined;
  scratch: string | undefined;
  /** Of a session in a container. */
  container: ContainerSpec | undefined;
  egress: EgressPolicy | undefined;
}

/** The work dir of a session in a container that asked for none. */
const scratchInside = "/workspace";

/** Nothing is left behind when it rejects. */
export async function createSession(context: Context, request: SessionRequest, caller: Caller): Promise<Created> {
  const traceparent = readTraceparent(caller.traceparent);
  const { by, scratch } = caller;
  const found = { ...(await lookInto(context, request)), traceparent, request: caller.request, by, scratch };
  const id = request.session_id === undefined ? randomUUID() : checkSessionId(request.session_id);
  const { registry } = context;
  if (registry.all().some(({ session }) => session.isPaused)) throw diskFull(context);
  assertOpen(context);
  const { name } = request;
  // A fork is a conversation of its own.
  const conversation = request.fork === true ? undefined : found.resumed?.agentSessionId;
  registry.claim({ id, name, conversation, homeOf: found.resumed?.homeOf, by });
  try {
    // Behind the claim: whoever asks for the same meanwhile is refused by it.
    await refuseTaken(context, { id, name });
    const created = await start(context, { id, request, found });
    await warnOfSharedDir(created.entry, registry.all());
    return created;
  } finally {
    registry.release(id);
  }
}

/** Rejects as the creation of that session would, and makes nothing. */
export async function checkRequest(context: Context, request: SessionRequest): Promise<void> {
  await lookInto(context, request);
}

async function lookInto(
  context: Context,
  request: SessionRequest,
): Promise<Omit<Found, "traceparent" | "request" | "by" | "scratch">> {
  const { config } = context;
  const { agent, runtime: runtimeName } = checkNames(request, config);
  checkHonoured(request, runtimeName, config);
  checkRequestEnv(request.env ?? {});
  checkSecretEnv(request.secret_env ?? [], request.env ?? {});
  const resources = resourcesOf(request, config, context.limitSupport);
  const settings = config.agents[agent];
  if (settings) checkNoOwnKey(agent, settings, request.env ?? {});
  const options = agentOptionsOf(request, settings?.harness ?? "generic");
  if (request.permission_mode === "interactive") checkExecutables(options.executables, config);
  const runtime = context.runtimes.get(runtimeName);
  if (!runtime)
    throw new AgentdError(
      "unknown_runtime",
      `Cannot use the runtime "${runtimeName}": it is not available on this machine`,
    );
  const guard = await workDirGuard(context);
  // Whoever is not kept apart may write there anyway.
  if (runtimeName === "docker" || config.local_sandbox.enabled) guard.programs = programPlacesOf(config);
  const requestedDir = request.work_dir === undefined ? undefined : await checkWorkDir(request.work_dir, guard);
  const box =
    runtimeName === "docker" ? await boxOf(request, config, guard) : { container: undefined, egress: undefined };
  const places = await seePlaces([...requestedMounts(box.container, config), ...(requestedDir ? [requestedDir] : [])]);
  const resumed =
    request.resume_session === undefined ? undefined : await resumedBy(context, request.resume_session, agent);
  return { config, agent, runtime, requestedDir, places, resumed, options, resources, ...box };
}

/** Those of the operator's may be links. */
function requestedMounts(container: ContainerSpec | undefined, { docker }: Config): string[] {
  const operators = new Set(docker.mounts.map(({ host }) => host));
  const mounts = container?.mounts ?? [];
  return mounts.filter(({ type, source }) => type === "bind" && !operators.has(source)).map(({ source }) => source);
}

async function boxOf(request: SessionRequest, config: Config, guard: WorkDirGuard) {
  const box = { container: await containerOf(request, config, guard), egress: egressOf(request, config) };
  checkElsewhere({ ...box, settings: config.agents[request.agent] }, config);
  return box;
}

function assertOpen(context: Context): void {
  if (context.isClosing())
    throw new AgentdError("shutting_down", "Cannot start a session: the daemon is shutting down");
}

/** Sessions that have ended keep their ids and names, and deleted ones their logs. */
async function refuseTaken({ config, store, unreadables }: Context, wanted: { id: string; name: string | undefined }) {
  if (unreadables.has(wanted.id) || (await store.sessions.ownerOf(wanted.id)) !== undefined) throw takenId(wanted.id);
  const owner = wanted.name === undefined ? undefined : await store.sessions.ownerOf(wanted.name);
  if (owner !== undefined) throw takenName(wanted.name ?? "", owner);
  if (await isThere(sessionHome(config.dataDir, wanted.id).dir))
    throw new AgentdError("session_exists", `session_id already exists: ${wanted.id} was deleted, and its log is kept`);
}

async function isThere(path: string): Promise<boolean> {
  try {
    await stat(path);
    return true;
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return false;
    throw error;
  }
}

interface Wanted {
  id: string;
  request: SessionRequest;
  found: Found;
}

async function start(context: Context, wanted: Wanted): Promise<Created> {
  const { config, runDir, store } = context;
  const home = sessionHome(config.dataDir, wanted.id);
  await createHome(home);
  let made: Attended | undefined;
  try {
    const spec = await specFor(context, wanted, home);
    const session = new Session({
      spec,
      home,
      ringBytesMax: config.limits.ring_bytes,
      fsync: config.fsync,
      watch: context.watch,
      onPassedOver: context.tornLogs.onPassedOver,
    });
    made = attended(context, session, wanted.found.runtime);
    await session.open(made.attendance);
    return await launch(context, wanted, made);
  } catch (error) {
    if (made) await discard(made.entry.session);
    await made?.entry.saving;
    await removeHome(home);
    await rm(runDirOf(runDir, wanted.id), { recursive: true, force: true });
    // Should that fail, the next start finds the row without a folder.
    if (made) await store.sessions.drop([wanted.id]).catch(() => {});
    throw isDiskFull(error) ? diskFull(context, error) : error;
  }
}

/** Its log is closed, and whoever looks on hears of its end. */
async function discard(session: Session): Promise<void> {
  if (session.isLive) session.apply({ type: "ended", reason: "launch_failed", exitCode: -1, endedAt: Date.now() });
  await session.seal();
}

async function specFor({ config }: Context, { id, request, found }: Wanted, home: SessionHome): Promise<SessionSpec> {
  const { hasScratch } = found.runtime;
  const scratch = found.scratch ?? home.scratch;
  if (found.requestedDir === undefined && !hasScratch) await mkdir(scratch, { mode: 0o700, recursive: true });
  const agentHome = found.resumed?.agentHome ?? agentHomeOf(request, config, found.runtime.name);
  if (request.agent_home !== undefined && request.agent_home !== agentHome) {
    throw new AgentdError(
      "invalid_request",
      `Cannot resume with agent_home "${request.agent_home}": the conversation is in a ${agentHome} home. Leave agent_home out`,
    );
  }
  if (agentHome === "user" && found.container) {
    throw new AgentdError(
      "unsupported_by_runtime",
      `Cannot resume in a container: the conversation is in the home of a person, which no container sees. Use the runtime local`,
    );
  }
  if (agentHome === "user") checkKeptHome(request.agent, found.runtime.name, config);
  const homeOf = found.resumed?.homeOf ?? id;
  if (agentHome === "private")
    await mkdir(sessionHome(config.dataDir, homeOf).agentHome, { recursive: true, mode: 0o700 });
  return specOf(request, {
    id,
    agent: found.agent,
    runtime: found.runtime.name,
    workDir: found.requestedDir ?? (hasScratch ? scratchInside : scratch),
    isScratch: found.requestedDir === undefined,
    agentHome,
    homeOf,
    resumeAgentSession: found.resumed?.agentSessionId,
    inputTimeoutMs: inputTimeoutOf(request, config),
    options: found.options,
    traceparent: found.traceparent,
    request: found.request,
    createdBy: found.by,
    resources: found.resources,
    container: found.container,
    egress: found.egress,
    createdAt: Date.now(),
  });
}

async function launch(context: Context, { id, request, found }: Wanted, made: Attended): Promise<Created> {
  const { config, registry, keepers, hostDoors, logins, runDir } = context;
  const { entry, attendance } = made;
  const { session } = entry;
  const { spec, home } = session;
  const placeSpec = placeSpecOf(context, spec);
  const bootstrap = bootstrapOf({
    spec,
    requestEnv: request.env ?? {},
    secretEnv: request.secret_env ?? [],
    options: found.options,
    config,
    place: found.runtime.placeOf(placeSpec),
    doorOf: (token) => keepers.doorOf(spec, token),
  });
  await mkdir(runDirOf(runDir, id), { recursive: true, mode: 0o700 });
  entry.sidecar = found.runtime.addressOf(bootstrap, placeSpec);
  // Unlike later writes, this one must not fail: what is not on disk could not be found again.
  await writeRecord(home.record, recordOf(entry));
  assertOpen(context);
  registry.add(entry);
  const turn = await firstTurn(attendance, request).catch((error: unknown) => {
    registry.drop(id);
    throw error;
  });
  let handle: SidecarHandle | undefined;
  try {
    await keepers.keep(session, bootstrap.token);
    await hostDoors.open(spec);
    await logins.serve(spec);
    await assertUnmoved(found.places);
    handle = await found.runtime.launch(bootstrap, placeSpec);
    // No agent runs before somebody attends.
    await assertUnmoved(found.places);
    // It may have changed while the sidecar came up.
    if (context.config !== found.config) await renewEgress(context);
    attendance.attend(handle, { isAdopted: false });
  } catch (error) {
    // One that cannot be ended, as with an engine that has gone, must not keep the session: it would be nobody's.
    await handle?.destroy().catch((fault: unknown) => {
      const what = "the sidecar of a session that could not be started may be left";
      context.log("error", what, { session_id: id, error: messageOf(fault) });
    });
    hostDoors.close(id);
    logins.forget(id);
    entry.attendance = undefined;
    registry.drop(id);
    // Whoever is attached already is to hear of the end.
    await discard(session).finally(() => attendance.abandon());
    throw error;
  }
  return { entry, turnId: turn?.turnId };
}

async function firstTurn(attendance: Attendance, { prompt = "", images }: SessionRequest) {
  const { traceparent } = attendance.session.spec;
  if (traceparent !== undefined)
    await attendance.session.appendOwn([{ type: "system", data: { subtype: "trace", traceparent } }]);
  return prompt.trim() === "" ? undefined : attendance.conversation.prompt(prompt, { images });
}

function diskFull({ config }: Context, cause?: unknown): AgentdError {
  return new AgentdError(
    "disk_full",
    `Cannot start a session: the disk that holds "${config.dataDir}" is full. Make room, then try again`,
    { cause },
  );
}
