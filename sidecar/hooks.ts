/**
 * The operator's hooks around one agent: `pre_init` → the agent's start → `post_init` → `sidecar` beside it → the agent's
 * end → end of `sidecar` → `post_run`. Each in the session's work dir, with the agent's environment and marker.
 */
import { setTimeout as sleep } from "node:timers/promises";
import type { ProcessIdentity } from "../src/process/identity.ts";
import { marksOf } from "../src/process/session-marks.ts";
import { killTree } from "../src/process/stop-ladder.ts";
import type { Bootstrap } from "../src/protocol/bootstrap.ts";
import { messageOf } from "../src/protocol/error.ts";
import type { EventOf } from "../src/protocol/event.ts";
import { companionGraceMs, type HookName } from "../src/protocol/hooks.ts";
import { type HookEnd, type HookProcess, startHook } from "./hook-process.ts";

export interface HooksOptions {
  bootstrap: Bootstrap;
  /** Resolves when it is stored. */
  report(event: EventOf<"system">): Promise<void>;
}

/** Characters of one hook's output that are shown; the rest is read and left out. */
const outputCharactersMax = 256 * 1024;

export class Hooks {
  readonly #options: HooksOptions;
  /** A hook that is to come to an end by itself. */
  #running: HookProcess | undefined;
  #companion: { process: HookProcess; isEnding: boolean } | undefined;
  #hasBegun = false;
  #isCutShort = false;
  #isEnding = false;

  constructor(options: HooksOptions) {
    this.#options = options;
  }

  has(name: HookName): boolean {
    return this.#options.bootstrap.hooks?.commands[name] !== undefined;
  }

  /** The program beside the agent: it is the session's, and not for the agent's own end to end. */
  apart(): ProcessIdentity[] {
    const identity = this.#companion?.process.identity;
    return identity ? [identity] : [];
  }

  /** Rejects with a sentence for people when the agent must not be started. */
  async beforeAgent(): Promise<void> {
    this.#hasBegun = true;
    await this.#mustSucceed("pre_init", {});
  }

  /** Rejects with a sentence for people when the agent must be ended. */
  async afterStart(agentPid: number | undefined): Promise<void> {
    const env = agentPid === undefined ? {} : { AGENT_PID: String(agentPid) };
    await this.#mustSucceed("post_init", env);
    if (this.has("sidecar") && !this.#isCutShort) await this.#accompany(env);
  }

  /** Whatever runs before the agent may begin is ended: the session is being stopped. */
  cutShort(): void {
    this.#isCutShort = true;
    // What comes after the agent has its own time.
    if (!this.#isEnding) void this.#running?.end(0);
  }

  /** Never rejects: what fails here is told, and changes nothing. */
  async agentEnded(code: number): Promise<void> {
    if (!this.#hasBegun || !this.#options.bootstrap.hooks) return;
    this.cutShort();
    this.#isEnding = true;
    const companion = this.#companion;
    if (companion) {
      companion.isEnding = true;
      await companion.process.end(companionGraceMs);
      await companion.process.ended;
      this.#companion = undefined;
    }
    if (this.has("post_run")) await this.#run("post_run", { AGENT_EXIT_CODE: String(code) });
    await killTree(marksOf(this.#options.bootstrap));
  }

  async #mustSucceed(name: "pre_init" | "post_init", env: Record<string, string>): Promise<void> {
    if (!this.has(name) || this.#isCutShort) return;
    const failure = await this.#run(name, env);
    if (failure !== undefined) throw new Error(`The hook ${name} failed: ${failure}`);
  }

  /** Resolves with what went wrong, if anything did. */
  async #run(name: Exclude<HookName, "sidecar">, env: Record<string, string>): Promise<string | undefined> {
    const begunAt = Date.now();
    const { timeoutMs = 0 } = this.#options.bootstrap.hooks ?? {};
    let hook: HookProcess;
    try {
      hook = await this.#start(name, env);
    } catch (error) {
      await this.#tell(name, { event: "failed", message: messageOf(error) });
      return messageOf(error);
    }
    this.#running = hook;
    // It was cut short while it was being started.
    if (this.#isCutShort && name !== "post_run") void hook.end(0);
    const isLate = await endsLaterThan(hook, timeoutMs);
    if (isLate) await hook.end(0);
    const end = await hook.ended;
    this.#running = undefined;
    const failure = isLate ? `it did not end within ${timeoutMs / 1000} s, and was ended` : failureOf(end);
    const how = {
      duration_ms: Date.now() - begunAt,
      ...(end.signal === null ? { code: end.code } : { signal: end.signal }),
    };
    await this.#tell(name, {
      event: failure === undefined ? "ended" : "failed",
      ...how,
      ...(failure === undefined ? {} : { message: failure }),
    });
    return failure;
  }

  async #accompany(env: Record<string, string>): Promise<void> {
    try {
      const companion = { process: await this.#start("sidecar", env), isEnding: false };
      this.#companion = companion;
      void companion.process.ended.then((end) => {
        const failure = companion.isEnding ? undefined : failureOf(end);
        const early = companion.isEnding ? {} : { is_early: true };
        const how = end.signal === null ? { code: end.code } : { signal: end.signal };
        return this.#tell("sidecar", {
          event: failure === undefined ? "ended" : "failed",
          ...how,
          ...early,
          ...(failure === undefined ? {} : { message: failure }),
        });
      });
    } catch (error) {
      await this.#tell("sidecar", { event: "failed", message: messageOf(error) });
    }
  }

  async #start(name: HookName, more: Record<string, string>): Promise<HookProcess> {
    const { agent, hooks, session_id, task_id, work_dir } = this.#options.bootstrap;
    await this.#tell(name, { event: "started" });
    let left = outputCharactersMax;
    return startHook({
      command: hooks?.commands[name] ?? [],
      env: {
        ...agent.env,
        SESSION_ID: session_id,
        ...(task_id === undefined ? {} : { TASK_ID: task_id }),
        AGENT: agent.name,
        WORK_DIR: work_dir,
        ...more,
      },
      workDir: work_dir,
      marks: marksOf(this.#options.bootstrap),
      onLine: async (stream, text) => {
        if (left <= 0) return;
        const shown = text.slice(0, left);
        left -= shown.length + 1;
        await this.#tell(name, { event: "output", stream, text: shown, ...(left <= 0 ? { is_cut: true } : {}) });
      },
    });
  }

  #tell(hook: HookName, data: Record<string, unknown>): Promise<void> {
    return this.#options.report({ type: "system", data: { subtype: "hook", hook, ...data } });
  }
}

async function endsLaterThan(hook: HookProcess, ms: number): Promise<boolean> {
  const abort = new AbortController();
  const late = sleep(ms, true, { signal: abort.signal }).catch(() => false);
  const isLate = await Promise.race([hook.ended.then(() => false), late]);
  abort.abort();
  return isLate;
}

function failureOf({ code, signal }: HookEnd): string | undefined {
  if (signal !== null) return `it was ended by ${signal}`;
  return code === 0 ? undefined : `it ended with code ${code}`;
}
