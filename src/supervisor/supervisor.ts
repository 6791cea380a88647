/** All sessions of this daemon: creates them, finds them, ends them. */
import { setTimeout as delay } from "node:timers/promises";
import type { Config, OnShutdown } from "../config.ts";
import type { LimitSupport } from "../process/group-limits.ts";
import type { InputAnswer } from "../protocol/command.ts";
import type { Denial } from "../protocol/egress.ts";
import { AgentdError, messageOf } from "../protocol/error.ts";
import type {
  AgentView,
  Collected,
  EgressEntry,
  EgressInForce,
  SessionChange,
  SessionRequest,
} from "../protocol/http.ts";
import type { SessionSpec } from "../protocol/session.ts";
import type { Runtime } from "../runtime/runtime.ts";
import { Inputs, readInputs } from "../session/inputs.ts";
import type { SessionWatch } from "../session/watch.ts";
import type { SessionRow, Store } from "../store/store.ts";
import { checkExecutables } from "./agent-options.ts";
import { listAgents } from "./agents.ts";
import { Archive } from "./archive.ts";
import { AtMost } from "./at-most.ts";
import type { Attendance } from "./attendance.ts";
import { Books } from "./books.ts";
import { Checkpoints } from "./checkpoints.ts";
import { type Context, type Log, workDirGuard } from "./context.ts";
import type { Conversation } from "./conversation.ts";
import { type Caller, type Created, checkRequest, createSession } from "./creation.ts";
import { EgressLog } from "./egress-log.ts";
import { reloadEgress, renewEgress } from "./egress-reload.ts";
import type { Entry } from "./entry.ts";
import { HostDoors } from "./host-doors.ts";
import { Keepers } from "./keepers.ts";
import { Later } from "./later.ts";
import { type Listed, type ListQuery, listedOf, listedUnreadable, listHistory, listSessions } from "./listing.ts";
import { Logins } from "./logins.ts";
import { placeSpecOf } from "./place-spec.ts";
import { recover } from "./recovery.ts";
import { Registry } from "./registry.ts";
import { removeSession } from "./removal.ts";
import { collect, collectRegularly } from "./retention.ts";
import { TornLogs } from "./torn-logs.ts";
import { endUnreadable } from "./unreadable-end.ts";
import { Unreadables, unreadableFault } from "./unreadables.ts";
import { checkWorkDir } from "./work-dir.ts";

/** How long the logs and records of sessions that go on may hold up a daemon that leaves. */
const releaseMs = 800;

export interface SupervisorOptions {
  config: Config;
  runtimes: ReadonlyMap<string, Runtime>;
  store: Store;
  /** Short private folder for sockets and agents' temporary files. */
  runDir: string;
  /** The bundled key keeper. */
  keeperPath: string;
  /** The configuration as its file has it now. Throws for one that cannot be used. */
  reread(): Config;
  log: Log;
  watch: SessionWatch;
  /** The key keeper of a session had ended and was started anew. */
  onKeeperRestart(): void;
  /** Which limits this machine lets us hold. */
  limitSupport: LimitSupport;
}

export class Supervisor {
  readonly #context: Context;
  #isClosing = false;
  #stopCollecting: () => void = () => undefined;
  readonly #removing = new AtMost(1);
  readonly #looking = new AtMost(1);
  readonly #reread: () => Config;

  constructor({ keeperPath, reread, onKeeperRestart, ...options }: SupervisorOptions) {
    const { config, store, runDir, log } = options;
    // Of the configuration as it is then: what of it may change is read anew.
    const now = () => this.#context.config;
    this.#reread = reread;
    const registry = new Registry({
      sessions: config.limits.max_sessions,
      sessionsOfOne: config.limits.token_sessions,
    });
    const isClosing = () => this.#isClosing;
    const placeOf = (spec: SessionSpec) => {
      const runtime = options.runtimes.get(spec.runtime);
      if (runtime) return runtime.placeOf(placeSpecOf({ config, runDir }, spec));
      throw new AgentdError("unknown_runtime", `Cannot use the runtime "${spec.runtime}": it is not enabled`);
    };
    const tornLogs = new TornLogs(log);
    const books = new Books({ store, registry, log, isClosing });
    this.#context = {
      ...options,
      registry,
      archive: new Archive({ config, store, tornLogs }),
      unreadables: new Unreadables(),
      later: new Later(),
      tornLogs,
      books,
      checkpoints: new Checkpoints({ books, log, isClosing }),
      drains: new AtMost(1),
      egressTurns: new AtMost(1),
      keepers: new Keepers({
        config: now,
        keeperPath,
        socketOf: (spec) => placeOf(spec).keeperSocket,
        onFault: (message, session_id) => log("error", message, { session_id }),
        onRestart: onKeeperRestart,
      }),
      logins: new Logins({
        config: now,
        placeOf,
        onFault: (message, session_id) => log("error", message, { session_id }),
      }),
      hostDoors: new HostDoors({
        listed: () => now().egress.host_services,
        folderOf: (spec) => placeOf(spec).hostDoors?.path,
        onDenied: (id, denial) => this.#context.egressLog.note(id, denial),
      }),
      egressLog: new EgressLog({
        dataDir: config.dataDir,
        appendTo: (id, event) => {
          const { session, attendance } = registry.find(id) ?? {};
          return attendance && session?.appendOwn([event]);
        },
        onFault: (error) => log("error", `Cannot record a refusal of the proxy: ${messageOf(error)}`),
      }),
      isClosing,
    };
  }

  /** Live sessions on disk are taken over; the index is brought up to the folders. */
  async recover(): Promise<void> {
    await recover(this.#context);
    await renewEgress(this.#context);
    this.#stopCollecting = collectRegularly(this.#context, () => this.collect({ isDryRun: false }));
    this.#context.egressLog.begin();
  }

  /** The proxy refused something that a session asked for. */
  noteDenial(sessionId: string, denial: Denial): void {
    this.#context.egressLog.note(sessionId, denial);
  }

  /** What was refused, of one session or of all; the newest, oldest first. */
  async egressEntries(filter: { ref: string | undefined; limit: number }): Promise<EgressEntry[]> {
    // A session that was deleted is still in the file.
    const sessionId = filter.ref === undefined ? undefined : ((await this.find(filter.ref))?.session.id ?? filter.ref);
    return this.#context.egressLog.read({ sessionId, limit: filter.limit });
  }

  /** `egress` of the configuration file is read again, and holds for sessions that are there too; all of it or nothing. */
  reloadEgress(): Promise<EgressInForce> {
    return reloadEgress(this.#context, this.#reread);
  }

  /** The session of this id or name; rejects with `session_not_found`, or `session_unreadable`. */
  async get(ref: string): Promise<Entry> {
    const entry = await this.find(ref);
    if (entry) return entry;
    const unreadable = this.#context.unreadables.find(ref);
    if (unreadable) throw unreadableFault(unreadable);
    throw new AgentdError("session_not_found", `session not found: ${ref.slice(0, 80)}`);
  }

  /** The session of this id or name, if there is one. One that has ended is read from its folder. */
  async find(ref: string): Promise<Entry | undefined> {
    const { registry, archive } = this.#context;
    // Between the two it may have ended and been let go of.
    return registry.find(ref) ?? (await archive.find(ref)) ?? registry.find(ref);
  }

  /** What is known of the session, without its log; rejects with `session_not_found`. */
  async show(ref: string): Promise<Listed> {
    const { registry, archive, unreadables } = this.#context;
    const entry = registry.find(ref);
    if (entry) return listedOf(entry);
    const ended = await archive.show(ref);
    if (ended) return ended;
    const unreadable = unreadables.find(ref);
    return unreadable ? listedUnreadable(unreadable) : listedOf(await this.get(ref));
  }

  list(query: ListQuery): Promise<{ page: Listed[]; next: string | undefined }> {
    return listSessions(this.#context, query);
  }

  history(limit: number): Promise<SessionRow[]> {
    return listHistory(this.#context, limit);
  }

  /** It takes no new sessions. */
  get isClosing(): boolean {
    return this.#isClosing;
  }

  get live(): Entry[] {
    return this.#context.registry.all().filter(({ attendance }) => attendance !== undefined);
  }

  get liveCount(): number {
    return this.#context.registry.liveCount;
  }

  /** Whether a session waits for room on the disk. */
  get isPaused(): boolean {
    return this.#context.registry.all().some(({ session }) => session.isPaused);
  }

  /** For what is asked of a live session; rejects with `session_ended`. */
  async conversationWith(ref: string): Promise<Conversation> {
    const { session, attendance } = await this.get(ref);
    if (attendance) return attendance.conversation;
    throw new AgentdError(
      "session_ended",
      `Cannot send to session "${session.id}": it has ended. Start a new one, with resume_session to go on from here`,
      { details: { session_id: session.id } },
    );
  }

  /** Answers a question; a session that has ended can still say how it was answered. */
  async respond(ref: string, requestId: string, answer: InputAnswer): Promise<string> {
    const { session, attendance } = await this.get(ref);
    if (attendance) await attendance.conversation.respond(requestId, answer);
    else {
      const closed = await readInputs(session, new Inputs());
      await closed.answer(requestId, answer, async () => {
        await this.conversationWith(ref);
      });
    }
    return session.id;
  }

  /** Creates a session and starts its sidecar. Nothing is left behind when it rejects. */
  create(request: SessionRequest, caller: Caller = {}): Promise<Created> {
    return createSession(this.#context, request, caller);
  }

  /** Rejects as `create` would for what is asked, and makes nothing. */
  check(request: SessionRequest): Promise<void> {
    return checkRequest(this.#context, request);
  }

  /** The configured agents, with those that a work dir adds. */
  async agents(workDir: string | undefined): Promise<AgentView[]> {
    const { config } = this.#context;
    const checked = workDir === undefined ? undefined : await checkWorkDir(workDir, await workDirGuard(this.#context));
    return listAgents(config, checked);
  }

  /** What may be changed while a session runs; refuses what its beginning would have refused. */
  async change(ref: string, change: SessionChange): Promise<void> {
    const conversation = await this.conversationWith(ref);
    if (change.permission_mode === "interactive")
      checkExecutables(conversation.session.spec.executables ?? [], this.#context.config);
    await conversation.change(change);
  }

  /** Ends a session and takes it off the list; its log is kept, and all of one that cannot be read. */
  async remove(ref: string): Promise<string> {
    const found = await this.find(ref);
    const unreadable = found ? undefined : this.#context.unreadables.find(ref);
    if (unreadable) {
      const { id } = unreadable.row;
      return (await endUnreadable(this.#context, unreadable)) ? id : this.remove(id);
    }
    const entry = found ?? (await this.get(ref));
    await removeSession(this.#context, entry);
    return entry.session.id;
  }

  /**
   * Removes and compresses what the policy says, or only says what that is. One call after the other, but who only
   * looks does not wait for those who do it: compressing takes as long as there are logs.
   */
  collect(options: { isDryRun: boolean }): Promise<Collected> {
    return (options.isDryRun ? this.#looking : this.#removing).run(() => collect(this.#context, options));
  }

  /** Resolves once when no session is live; used by a daemon that leaves then. */
  whenQuiet(tell: () => void): void {
    this.#context.registry.whenQuiet(tell);
  }

  /** The live sessions that go on when this daemon leaves. */
  goingOn(leaving: OnShutdown): ReadonlySet<string> {
    const live = this.#context.registry.all().filter(({ attendance }) => attendance && goesOn(attendance, leaving));
    return new Set(live.map(({ session }) => session.id));
  }

  /** Leaves the sessions that go on to a next daemon, ends the others and waits for their ends to be written. */
  async close(leaving: OnShutdown): Promise<void> {
    this.#isClosing = true;
    this.#stopCollecting();
    const { registry, keepers, hostDoors, logins, later } = this.#context;
    await atMostReleaseMs(later.close());
    keepers.close();
    const [kept, ended] = partition(registry.all(), ({ attendance }) => attendance && goesOn(attendance, leaving));
    for (const { attendance } of ended) attendance?.stop("now", "shutdown");
    const released = Promise.all(kept.map(({ attendance }) => attendance?.release()));
    await Promise.all([atMostReleaseMs(released), ...ended.map(({ attendance }) => attendance?.over)]);
    hostDoors.closeAll();
    logins.close();
    // Those that have ended already, and are here until their end is in the store, hold up only who ends all.
    const saved = (entries: readonly Entry[]) => Promise.all(entries.map(({ saving }) => saving));
    await Promise.all([
      atMostReleaseMs(saved(kept)),
      leaving === "keep" ? atMostReleaseMs(saved(ended)) : saved(ended),
    ]);
  }
}

function goesOn(attendance: Attendance, leaving: OnShutdown): boolean {
  return leaving === "keep" || (leaving === "stop_own" && attendance.isAdopted);
}

/** A disk that is full may hold up a log for ever; what is not in it is in the sidecar's spool. */
function atMostReleaseMs(act: Promise<unknown>): Promise<unknown> {
  return Promise.race([act, delay(releaseMs, undefined, { ref: false })]);
}

function partition<T>(all: readonly T[], isFirst: (one: T) => unknown): [T[], T[]] {
  return [all.filter((one) => isFirst(one)), all.filter((one) => !isFirst(one))];
}
