/** The key keepers of the sessions whose agents may not know their key: started, watched, started again. */
import { chmod, mkdir } from "node:fs/promises";
import { dirname } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import type { Config } from "../config.ts";
import { type KeeperBootstrap, keeperWords } from "../keeper/bootstrap.ts";
import { launchKeeper, watchKeeper } from "../keeper/keeper-process.ts";
import type { Outwards } from "../keeper/outwards.ts";
import { defined } from "../protocol/defined.ts";
import { messageOf } from "../protocol/error.ts";
import type { ModelDoor } from "../protocol/model-door.ts";
import type { SessionSpec } from "../protocol/session.ts";
import type { KeeperSocket } from "../runtime/runtime.ts";
import type { Session } from "../session/session.ts";
import { AtMost } from "./at-most.ts";
import { hiddenKeyOf } from "./hidden-key.ts";
import { outwardsOf } from "./outwards.ts";

/** The way out is looked up when one is started: the configuration may have changed since the last. */
type KeeperWish = Omit<KeeperBootstrap, keyof Outwards>;

export interface HiddenDoor {
  door: ModelDoor;
  standIn: string;
  /** The agent finds the stand-in there. */
  keyVariable: string;
}

export interface KeepersOptions {
  /** As it is now. */
  config(): Config;
  keeperPath: string;
  socketOf(spec: SessionSpec): KeeperSocket;
  onFault(message: string, sessionId: string): void;
  /** One that had ended was started anew. */
  onRestart(): void;
}

/** A keeper that dies so often, each time soon after its start, is not started again. */
const lossesMax = 5;
const goodKeeperMs = 60_000;
const restartMs = 200;
/** Keepers that are started again at once, when a machine has lost many. */
const restartsMax = 8;
/** One that stands still for longer is as good as dead: another takes its socket's place. */
const answerMs = 2_000;

export class Keepers {
  readonly #options: KeepersOptions;
  readonly #leaving = new AbortController();
  readonly #restarts = new AtMost(restartsMax);

  constructor(options: KeepersOptions) {
    this.#options = options;
  }

  /** What the sidecar is told, when the key of this agent is hidden. Throws `launch_failed` when it cannot be. */
  doorOf(spec: SessionSpec, sidecarToken: string): HiddenDoor | undefined {
    const hidden = this.#hidden(spec.agent);
    if (!hidden) return undefined;
    const { standIn, lease } = keeperWords(sidecarToken);
    const { urlVariable, path } = hidden;
    return {
      standIn,
      keyVariable: hidden.keyVariable,
      door: { socket_path: this.#options.socketOf(spec).seenAs, lease, url_variable: urlVariable, path },
    };
  }

  /** Sees to it that the session has a keeper until it ends. Rejects with `launch_failed` when the first does not start. */
  async keep(session: Session, sidecarToken: string): Promise<void> {
    const bootstrap = this.#bootstrapOf(session, sidecarToken);
    if (!bootstrap) return;
    await this.#ensure(bootstrap);
    void this.#watch(session, bootstrap);
  }

  /**
   * The same for a session of an earlier daemon: it is live and goes on meanwhile, so nobody waits for its keeper, and one
   * that does not start now is tried again.
   */
  keepOn(session: Session, sidecarToken: string): void {
    this.#resume(session, sidecarToken).catch((error: unknown) => this.#options.onFault(messageOf(error), session.id));
  }

  async #resume(session: Session, sidecarToken: string): Promise<void> {
    const bootstrap = this.#bootstrapOf(session, sidecarToken);
    if (!bootstrap) return;
    await this.#tryAgain(session, bootstrap);
    await this.#watch(session, bootstrap);
  }

  /** The keepers go on; nobody is watched any more. */
  close(): void {
    this.#leaving.abort();
  }

  /** True when it had to be started. */
  async #ensure(bootstrap: KeeperWish): Promise<boolean> {
    const watch = watchKeeper(bootstrap);
    const isUp = await Promise.race([watch.up, delay(answerMs, false, { ref: false })]);
    watch.close();
    if (isUp) return false;
    const { keeperPath } = this.#options;
    const config = this.#options.config();
    if (bootstrap.is_open) {
      // It is behind the session's own folder, which nobody else may enter.
      await mkdir(dirname(bootstrap.socket_path), { recursive: true });
      await chmod(dirname(bootstrap.socket_path), 0o711);
    }
    await launchKeeper(
      { keeperPath, environment: config.environment, launchTimeoutMs: config.limits.launch_timeout },
      { ...bootstrap, ...(await outwardsOf(config)) },
    );
    return true;
  }

  async #tryAgain(session: Session, bootstrap: KeeperWish): Promise<void> {
    try {
      await this.#restarts.run(async () => {
        if (!session.isLive || this.#leaving.signal.aborted) return;
        if (await this.#ensure(bootstrap)) this.#options.onRestart();
      });
    } catch (error) {
      this.#options.onFault(messageOf(error), session.id);
    }
  }

  async #watch(session: Session, bootstrap: KeeperWish): Promise<void> {
    const { signal } = this.#leaving;
    const isOver = () => !session.isLive || signal.aborted;
    for (let losses = 0; losses <= lossesMax; losses++) {
      if (isOver()) return;
      const since = performance.now();
      await this.#gone(bootstrap);
      if (isOver()) return;
      if (performance.now() - since > goodKeeperMs) losses = 0;
      await delay(losses * restartMs, undefined, { signal }).catch(() => {
        // The daemon leaves.
      });
      if (isOver()) return;
      await this.#tryAgain(session, bootstrap);
    }
    if (isOver()) return;
    const message = `The key keeper of session "${session.id}" ended again and again and is not started any more: its agent no longer reaches its model. Stop the session and resume it`;
    this.#options.onFault(message, session.id);
    await session.appendOwn([{ type: "system", data: { subtype: "key_keeper_lost", message } }]).catch(() => {
      // It ended meanwhile: nobody is to be told any more.
    });
  }

  /** Resolves when the keeper no longer answers, or nobody watches any more. */
  async #gone(bootstrap: KeeperWish): Promise<void> {
    const { signal } = this.#leaving;
    const watch = watchKeeper(bootstrap);
    signal.addEventListener("abort", watch.close, { once: true });
    await watch.gone;
    signal.removeEventListener("abort", watch.close);
  }

  #bootstrapOf(session: Session, sidecarToken: string): KeeperWish | undefined {
    const hidden = this.#hidden(session.spec.agent);
    if (!hidden) return undefined;
    const { standIn, lease } = keeperWords(sidecarToken);
    const socket = this.#options.socketOf(session.spec);
    return {
      session_id: session.id,
      socket_path: socket.path,
      is_open: socket.isOpen,
      stand_in: standIn,
      lease,
      ...defined({ key: hidden.key, login: hidden.login }),
      upstream: hidden.upstream,
      log_path: session.home.modelRequests,
    };
  }

  #hidden(agent: string) {
    const { agents, environment } = this.#options.config();
    const settings = agents[agent];
    return settings && hiddenKeyOf(agent, settings, environment);
  }
}
