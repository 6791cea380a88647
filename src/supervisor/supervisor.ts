/** All sessions of this daemon: creates them, finds them, ends them. */
import { createHash, randomUUID } from "node:crypto";
import { mkdir, readdir, realpath, rm } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import type { Config, OnShutdown } from "../config.ts";
import { readSpool } from "../process/spool-reader.ts";
import type { InputAnswer } from "../protocol/command.ts";
import { defined } from "../protocol/defined.ts";
import { AgentdError, errnoOf, isDiskFull, messageOf } from "../protocol/error.ts";
import type { AgentView, SessionChange, SessionRequest } from "../protocol/http.ts";
import type { SessionSpec } from "../protocol/session.ts";
import { type Runtime, SidecarAddress, type SidecarHandle } from "../runtime/runtime.ts";
import { createHome, isUnborn, listHomes, removeHome, sessionHome } from "../session/home.ts";
import { Inputs, readInputs } from "../session/inputs.ts";
import { readRecord, type SessionRecord, writeRecord } from "../session/record.ts";
import { Session } from "../session/session.ts";
import { TurnQueue } from "../session/turn-queue.ts";
import { checkRequestEnv } from "./agent-env.ts";
import { type AgentOptions, agentOptionsOf, checkExecutables } from "./agent-options.ts";
import { listAgents } from "./agents.ts";
import { Attendance } from "./attendance.ts";
import { bootstrapOf, temporaryDirOf } from "./bootstrap.ts";
import { type Entry, recordOf, totalsOf } from "./entry.ts";
import { checkNoOwnKey } from "./hidden-key.ts";
import { checkHonoured } from "./honoured.ts";
import { Keepers } from "./keepers.ts";
import { agentHomeOf, checkNames, checkSessionId, inputTimeoutOf, isUuid, specOf } from "./spec.ts";
import { checkWorkDir } from "./work-dir.ts";

/** How long the logs and records of sessions that go on may hold up a daemon that leaves. */
const releaseMs = 800;

/** How agents other than Claude Code name a conversation. */
const agentId = /^[A-Za-z0-9][A-Za-z0-9_.:-]{7,127}$/;

export interface SupervisorOptions {
  config: Config;
  runtimes: ReadonlyMap<string, Runtime>;
  /** Short private folder for sockets and agents' temporary files. */
  runDir: string;
  /** The bundled key keeper. */
  keeperPath: string;
  log(level: "info" | "warn" | "error", message: string, fields?: Record<string, unknown>): void;
}

export class Supervisor {
  readonly #options: SupervisorOptions;
  readonly #entries = new Map<string, Entry>();
  readonly #names = new Map<string, string>();
  /** Ids whose creation is under way, with the conversation they resume: both count as taken. */
  readonly #creating = new Map<string, string | undefined>();
  readonly #keepers: Keepers;
  #isClosing = false;
  #onQuiet: (() => void) | undefined;

  constructor(options: SupervisorOptions) {
    this.#options = options;
    this.#keepers = new Keepers({
      config: options.config,
      keeperPath: options.keeperPath,
      runDirOf: (id) => this.#runDirOf(id),
      onFault: (message, session_id) => options.log("error", message, { session_id }),
    });
  }

  /** Sessions on disk: ended ones are listed again, live ones are taken over. */
  async recover(): Promise<void> {
    const ids = await listHomes(this.#options.config.dataDir);
    for (const id of ids) {
      try {
        await this.#recoverOne(id);
      } catch (error) {
        this.#options.log("warn", `Cannot read session "${id}": ${messageOf(error)}. Its folder is left as it is`);
      }
    }
    await this.#sweepRunDir();
  }

  /** Sockets and temporary files of sessions that are over, or that a crash let not begin. */
  async #sweepRunDir(): Promise<void> {
    const live = new Set(
      this.list().flatMap(({ session, attendance }) => (attendance ? this.#runDirOf(session.id) : [])),
    );
    for (const name of await readdir(this.#options.runDir)) {
      const path = join(this.#options.runDir, name);
      if (!live.has(path)) await rm(path, { recursive: true, force: true });
    }
  }

  /** The session of this id or name; throws `session_not_found`. */
  get(ref: string): Entry {
    const entry = this.find(ref);
    if (!entry) throw new AgentdError("session_not_found", `session not found: ${ref.slice(0, 80)}`);
    return entry;
  }

  /** The session of this id or name, if there is one. */
  find(ref: string): Entry | undefined {
    return this.#entries.get(ref) ?? this.#entries.get(this.#names.get(ref) ?? "");
  }

  /** All sessions, oldest first. */
  list(): Entry[] {
    return [...this.#entries.values()].sort(
      (a, b) => a.session.spec.created_at - b.session.spec.created_at || (a.session.id < b.session.id ? -1 : 1),
    );
  }

  get liveCount(): number {
    let count = this.#creating.size;
    for (const [id, { attendance }] of this.#entries) if (attendance && !this.#creating.has(id)) count++;
    return count;
  }

  /** The attendance of a live session; throws `session_ended`. */
  attendanceOf(ref: string): Attendance {
    const { session, attendance } = this.get(ref);
    if (attendance) return attendance;
    throw new AgentdError(
      "session_ended",
      `Cannot send to session "${session.id}": it has ended. Start a new one, with resume_session to go on from here`,
    );
  }

  /** Answers a question; a session that has ended can still say how it was answered. */
  async respond(ref: string, requestId: string, answer: InputAnswer): Promise<string> {
    const { session, attendance } = this.get(ref);
    if (attendance) await attendance.respond(requestId, answer);
    else {
      const closed = await readInputs(session, new Inputs());
      await closed.answer(requestId, answer, async () => {
        this.attendanceOf(ref);
      });
    }
    return session.id;
  }

  /** Creates a session and starts its sidecar. Nothing is left behind when it throws. */
  async create(request: SessionRequest): Promise<{ entry: Entry; turnId: string | undefined }> {
    const { config } = this.#options;
    const { agent, runtime: runtimeName } = checkNames(request, config);
    checkHonoured(request, runtimeName, config);
    checkRequestEnv(request.env ?? {});
    const settings = config.agents[agent];
    if (settings) checkNoOwnKey(agent, settings, request.env ?? {});
    const options = agentOptionsOf(request, settings?.harness ?? "generic");
    if (request.permission_mode === "interactive") checkExecutables(options.executables, config);
    const runtime = this.#options.runtimes.get(runtimeName);
    if (!runtime)
      throw new AgentdError(
        "unknown_runtime",
        `Cannot use the runtime "${runtimeName}": it is not available on this machine`,
      );
    const requestedDir =
      request.work_dir === undefined ? undefined : await checkWorkDir(request.work_dir, await this.#guard());
    const id = request.session_id === undefined ? randomUUID() : checkSessionId(request.session_id);
    const resumed = request.resume_session === undefined ? undefined : this.#resumed(request.resume_session, agent);
    this.#claim({ id, name: request.name, resumed, isFork: request.fork === true });
    try {
      return await this.#start(id, request, { agent, runtime, requestedDir, resumed, options });
    } catch (error) {
      this.#forget(id);
      throw error;
    } finally {
      this.#creating.delete(id);
    }
  }

  /** The configured agents, with those that a work dir adds. */
  async agents(workDir: string | undefined): Promise<AgentView[]> {
    const checked = workDir === undefined ? undefined : await checkWorkDir(workDir, await this.#guard());
    return listAgents(this.#options.config, checked);
  }

  /** What may be changed while a session runs; refuses what its beginning would have refused. */
  async change(ref: string, change: SessionChange): Promise<void> {
    const attendance = this.attendanceOf(ref);
    if (change.permission_mode === "interactive")
      checkExecutables(attendance.session.spec.executables ?? [], this.#options.config);
    await attendance.change(change);
  }

  /** Ends a session and takes it off the list; its log is kept. */
  async remove(ref: string): Promise<void> {
    const entry = this.get(ref);
    entry.attendance?.stop("now", "deleted");
    await entry.attendance?.over;
    await entry.saving;
    this.#forget(entry.session.id);
    const { home_of } = entry.session.spec;
    const isInUse = this.list().some(({ session }) => session.spec.home_of === home_of);
    if (!isInUse)
      await rm(sessionHome(this.#options.config.dataDir, home_of).agentHome, { recursive: true, force: true });
    if (entry.session.spec.work_dir_is_scratch) await rm(entry.session.home.scratch, { recursive: true, force: true });
    await rm(entry.session.home.record, { force: true });
  }

  /** Resolves once when no session is live; used by a daemon that leaves then. */
  whenQuiet(tell: () => void): void {
    this.#onQuiet = tell;
  }

  /** `stop` ends all sessions and waits for their ends to be written; `keep` leaves them to a next daemon. */
  async close(sessions: OnShutdown): Promise<void> {
    this.#isClosing = true;
    this.#keepers.close();
    const live = this.list().flatMap(({ attendance }) => attendance ?? []);
    if (sessions === "keep") {
      // A disk that is full may hold up a log for ever; what is not in it is in the sidecar's spool.
      const released = Promise.all(live.map((attendance) => attendance.release()));
      await Promise.race([released, delay(releaseMs, undefined, { ref: false })]);
    } else {
      for (const attendance of live) attendance.stop("now", "shutdown");
      await Promise.all(live.map((attendance) => attendance.over));
    }
    const saved = Promise.all([...this.#entries.values()].map((entry) => entry.saving));
    await (sessions === "keep" ? Promise.race([saved, delay(releaseMs, undefined, { ref: false })]) : saved);
  }

  async #guard(): Promise<{ home: string; dataDir: string }> {
    const home = this.#options.config.environment["HOME"] || homedir();
    return { home: await realpath(home).catch(() => home), dataDir: this.#options.config.dataDir };
  }

  /** Reserves id, name and conversation, or throws: no two live sessions get the same. */
  #claim({ id, name, resumed, isFork }: Claim): void {
    const { config } = this.#options;
    if (this.list().some(({ session }) => session.isPaused)) throw this.#diskFull();
    if (this.#isClosing) throw new AgentdError("shutting_down", "Cannot start a session: the daemon is shutting down");
    if (this.#entries.has(id) || this.#creating.has(id) || this.#names.has(id))
      throw new AgentdError("session_exists", `session_id already exists: ${id}`);
    if (name !== undefined && (this.#names.has(name) || this.#entries.has(name) || this.#creating.has(name))) {
      throw new AgentdError(
        "name_taken",
        `Cannot name the session "${name}": session "${this.#names.get(name) ?? name}" has that name. Choose another, or delete that one`,
      );
    }
    const max = config.limits.max_sessions;
    if (max > 0 && this.liveCount >= max) {
      throw new AgentdError(
        "max_sessions",
        `max sessions limit reached: ${max} are live. Stop one, or raise --max-sessions`,
      );
    }
    // A fork is a conversation of its own.
    const goesOnWith = isFork ? undefined : resumed?.agentSessionId;
    if (goesOnWith !== undefined) this.#refuseSecond(goesOnWith);
    this.#creating.set(id, goesOnWith);
    if (name !== undefined) this.#names.set(name, id);
  }

  async #start(
    id: string,
    request: SessionRequest,
    found: {
      agent: string;
      runtime: Runtime;
      requestedDir: string | undefined;
      resumed: Resumed | undefined;
      options: AgentOptions;
    },
  ): Promise<{ entry: Entry; turnId: string | undefined }> {
    const { config } = this.#options;
    const home = sessionHome(config.dataDir, id);
    await this.#refuseOldFolder(id);
    await createHome(home);
    let isLaunched = false;
    try {
      if (found.requestedDir === undefined) await mkdir(home.scratch, { mode: 0o700 });
      const agentHome = found.resumed?.agentHome ?? agentHomeOf(request, config);
      if (request.agent_home !== undefined && request.agent_home !== agentHome) {
        throw new AgentdError(
          "invalid_request",
          `Cannot resume with agent_home "${request.agent_home}": the conversation is in a ${agentHome} home. Leave agent_home out`,
        );
      }
      const homeOf = found.resumed?.homeOf ?? id;
      if (agentHome === "private")
        await mkdir(sessionHome(config.dataDir, homeOf).agentHome, { recursive: true, mode: 0o700 });
      const spec = specOf(request, {
        id,
        agent: found.agent,
        runtime: found.runtime.name,
        workDir: found.requestedDir ?? home.scratch,
        isScratch: found.requestedDir === undefined,
        agentHome,
        homeOf,
        resumeAgentSession: found.resumed?.agentSessionId,
        inputTimeoutMs: inputTimeoutOf(request, config),
        options: found.options,
        createdAt: Date.now(),
      });
      const session = new Session({ spec, home, ringBytesMax: config.limits.ring_bytes, fsync: config.fsync });
      const entry = this.#newEntry(session, new TurnQueue(), found.runtime);
      const attendance = entry.attendance;
      if (!attendance) throw new Error("a new session has no attendance");
      await session.open(attendance);
      const bootstrap = bootstrapOf({
        spec,
        requestEnv: request.env ?? {},
        options: found.options,
        config,
        runDir: this.#runDirOf(id),
        doorOf: (token) => this.#keepers.doorOf(id, spec.agent, token),
      });
      await mkdir(temporaryDirOf(this.#runDirOf(id)), { recursive: true, mode: 0o700 });
      entry.sidecar = found.runtime.addressOf(bootstrap);
      // Unlike later writes, this one must not fail: what is not on disk could not be found again.
      await writeRecord(home.record, recordOf(entry));
      const others = this.list().filter((other) => other.attendance && other.session.spec.work_dir === spec.work_dir);
      if (this.#isClosing)
        throw new AgentdError("shutting_down", "Cannot start a session: the daemon is shutting down");
      this.#entries.set(id, entry);
      const turn = await firstTurn(attendance, request);
      let handle: SidecarHandle | undefined;
      try {
        await this.#keepers.keep(session, bootstrap.token);
        handle = await found.runtime.launch(bootstrap);
        attendance.attend(handle, { isAdopted: false });
        isLaunched = true;
      } catch (error) {
        await handle?.destroy();
        entry.attendance = undefined;
        this.#entries.delete(id);
        // Whoever is attached already is to hear of the end.
        if (session.isLive)
          session.apply({ type: "ended", reason: "launch_failed", exitCode: -1, endedAt: Date.now() });
        await session.seal();
        attendance.abandon();
        throw error;
      }
      if (others.length > 0) await this.#warnOfSharedDir(session, others);
      return { entry, turnId: turn?.turnId };
    } catch (error) {
      if (!isLaunched) {
        await removeHome(home);
        await rm(this.#runDirOf(id), { recursive: true, force: true });
      }
      if (isDiskFull(error)) {
        throw this.#diskFull(error);
      }
      throw error;
    }
  }

  #diskFull(cause?: unknown): AgentdError {
    const { dataDir } = this.#options.config;
    return new AgentdError(
      "disk_full",
      `Cannot start a session: the disk that holds "${dataDir}" is full. Make room, then try again`,
      { cause },
    );
  }

  /** A deleted session's log may still be there: its id is not given out again. */
  async #refuseOldFolder(id: string): Promise<void> {
    if ((await listHomes(this.#options.config.dataDir)).includes(id)) {
      throw new AgentdError("session_exists", `session_id already exists: ${id} was deleted, and its log is kept`);
    }
  }

  #newEntry(session: Session, queue: TurnQueue, runtime: Runtime): Entry {
    const entry: Entry = { session, attendance: undefined, sidecar: undefined, saving: Promise.resolve() };
    entry.attendance = new Attendance({
      session,
      queue,
      queueLengthMax: this.#options.config.limits.queue_length,
      harness: this.#options.config.agents[session.spec.agent]?.harness ?? "generic",
      readSpool: (afterSeq) => readSpool(session.home.dir, afterSeq),
      sweep: () => runtime.sweep(session.id),
      onChanged: () => {
        entry.saving = this.#save(entry);
      },
      onFault: (error) => {
        this.#options.log("error", "a session could not be ended as it should", {
          session_id: session.id,
          error: detailOf(error),
        });
      },
      onEnded: () => this.#ended(entry),
    });
    return entry;
  }

  #ended(entry: Entry): void {
    entry.attendance = undefined;
    entry.saving = this.#save(entry, this.#cleanUp(entry.session));
    const { state, logError } = entry.session;
    if (state.at === "ended") {
      this.#options.log("info", "session ended", {
        session_id: entry.session.id,
        status: state.status,
        end_reason: state.reason,
        exit_code: state.exitCode,
        ...defined({ log_error: logError?.message }),
      });
    }
    if (this.liveCount === 0) this.#onQuiet?.();
  }

  /** What only a live session needs: its sockets, and what the log now holds too. */
  async #cleanUp({ id, home }: Session): Promise<void> {
    try {
      await rm(this.#runDirOf(id), { recursive: true, force: true });
      for (const name of await readdir(home.dir)) {
        if (name.startsWith("spool-") || name === "sidecar.json") await rm(join(home.dir, name), { force: true });
      }
    } catch (error) {
      this.#options.log("warn", `Cannot clean up behind session "${id}": ${messageOf(error)}`);
    }
  }

  #runDirOf(id: string): string {
    // Ids are chosen by callers; a digest keeps those that begin alike apart.
    return join(this.#options.runDir, createHash("sha256").update(id).digest("base64url").slice(0, 12));
  }

  /** What to resume: one of our sessions, or an id of the agent's own. */
  #resumed(ref: string, agent: string): Resumed {
    const entry = this.find(ref) ?? this.#entryOfAgentSession(ref);
    if (!entry) {
      // An agent itself may take titles and paths too; only an id says which conversation is meant.
      const isId = this.#options.config.agents[agent]?.harness === "claude" ? isUuid(ref) : agentId.test(ref);
      if (!isId) {
        throw new AgentdError(
          "resume_not_found",
          `Cannot resume "${ref.slice(0, 80)}": there is no such session here, and it does not look like an id of the agent's own`,
        );
      }
      return { agentSessionId: ref, homeOf: undefined, agentHome: undefined };
    }
    const { session } = entry;
    if (session.agentSessionId === undefined) {
      throw new AgentdError(
        "resume_not_found",
        `Cannot resume session "${ref}": its agent never began a conversation. Start a new session`,
      );
    }
    return { agentSessionId: session.agentSessionId, homeOf: session.spec.home_of, agentHome: session.spec.agent_home };
  }

  #refuseSecond(agentSession: string): void {
    const live = this.list().find(
      ({ session }) =>
        session.isLive &&
        (session.agentSessionId === agentSession ||
          (session.spec.resume_agent_session === agentSession && !session.spec.is_fork)),
    );
    const creating = [...this.#creating].find(([, resumes]) => resumes === agentSession);
    const id = live?.session.id ?? creating?.[0];
    if (id === undefined) return;
    throw new AgentdError(
      "resume_in_use",
      `Cannot resume the conversation "${agentSession}": session "${id}" is live on it. Stop that one first`,
      { details: { error_category: "duplicate_session", retryable: true } },
    );
  }

  #entryOfAgentSession(ref: string): Entry | undefined {
    return this.list()
      .reverse()
      .find((entry) => entry.session.agentSessionId === ref);
  }

  async #warnOfSharedDir(session: Session, others: readonly Entry[]): Promise<void> {
    const warning = (own: string[], dir: string) => ({
      type: "system" as const,
      data: {
        subtype: "work_dir_shared",
        message: `Another live session works in "${dir}": their changes may collide.`,
        session_ids: own,
      },
    });
    const dir = session.spec.work_dir;
    const warnings = [
      { to: session, of: others.map((other) => other.session.id) },
      ...others.map((other) => ({ to: other.session, of: [session.id] })),
    ];
    await Promise.all(
      warnings.map(({ to, of }) =>
        to.appendOwn([warning(of, dir)]).catch(() => {
          // It ended meanwhile: there is nothing to warn of any more.
        }),
      ),
    );
  }

  async #recoverOne(id: string): Promise<void> {
    const { config } = this.#options;
    const home = sessionHome(config.dataDir, id);
    let record: SessionRecord;
    try {
      record = await readRecord(home.record);
    } catch (error) {
      if (errnoOf(error) !== "ENOENT") throw error;
      // A deleted session keeps its log and has no record.
      if (await isUnborn(home)) await removeHome(home);
      return;
    }
    const session = new Session({
      spec: record.spec,
      home,
      ringBytesMax: config.limits.ring_bytes,
      fsync: config.fsync,
    });
    session.agentSessionId = record.agent_session_id;
    session.model = record.model;
    session.permissionMode = record.permission_mode ?? record.spec.permission_mode;
    if (record.ended) {
      const { status, reason, exit_code, at } = record.ended;
      await session.restoreEnded({ at: "ended", status, reason, exitCode: exit_code, endedAt: at }, totalsOf(record));
      this.#list({ session, attendance: undefined, sidecar: undefined, saving: Promise.resolve() });
      return;
    }
    await this.#adopt(session, record);
  }

  #list(entry: Entry): void {
    const { id, spec } = entry.session;
    this.#entries.set(id, entry);
    if (spec.name !== undefined) this.#names.set(spec.name, id);
  }

  async #adopt(session: Session, record: SessionRecord): Promise<void> {
    const runtime = this.#options.runtimes.get(record.spec.runtime);
    if (!runtime) throw new Error(`its runtime "${record.spec.runtime}" is not enabled`);
    const address = SidecarAddress.safeParse(record.sidecar);
    const entry = this.#newEntry(session, new TurnQueue(), runtime);
    const { attendance } = entry;
    if (!attendance) return;
    await session.open(attendance);
    await attendance.restore();
    attendance.restoreIntent({ isClosing: record.is_closing ?? false, stopReason: record.stop_reason });
    const handle = address.success ? await runtime.recover(address.data) : undefined;
    this.#list(entry);
    if (handle) {
      entry.sidecar = handle.address;
      await this.#keepers.keep(session, handle.address.token).catch((error: unknown) => {
        this.#options.log("error", messageOf(error), { session_id: session.id });
      });
      attendance.attend(handle, { isAdopted: true });
    } else {
      await attendance.adoptDead();
    }
  }

  #save(entry: Entry, after: Promise<void> = Promise.resolve()): Promise<void> {
    return Promise.all([entry.saving, after])
      .then(() => writeRecord(entry.session.home.record, recordOf(entry)))
      .catch((error: unknown) => {
        this.#options.log(
          "error",
          `Cannot write "${entry.session.home.record}": ${messageOf(error)}. After a restart the session may be shown as it was before`,
        );
      });
  }

  #forget(id: string): void {
    const entry = this.#entries.get(id);
    this.#entries.delete(id);
    for (const [name, owner] of this.#names) if (owner === id) this.#names.delete(name);
    if (entry && this.liveCount === 0) this.#onQuiet?.();
  }
}

interface Claim {
  id: string;
  name: string | undefined;
  resumed: Resumed | undefined;
  isFork: boolean;
}

interface Resumed {
  agentSessionId: string;
  homeOf: string | undefined;
  agentHome: SessionSpec["agent_home"] | undefined;
}

async function firstTurn(attendance: Attendance, { prompt = "", images }: SessionRequest) {
  return prompt.trim() === "" ? undefined : attendance.prompt(prompt, images);
}

function detailOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
