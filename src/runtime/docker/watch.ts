/**
 * Tells when containers are gone. The engine's events say so at once; they can break off without a word when the engine
 * is restarted, and so everything that is waited for is also looked at again and again.
 */
import type Docker from "dockerode";
import { messageOf } from "../../protocol/error.ts";
import type { SidecarEnd } from "../runtime.ts";
import { type Engine, isMissing } from "./engine.ts";
import { label, type Names } from "./names.ts";

const lookEveryMs = 3000;
const reopenMs = 500;

export class EngineWatch {
  readonly #engine: Engine;
  readonly #names: Names;
  readonly #waiting = new Map<string, (end: SidecarEnd) => void>();
  /** Looks under way: an engine that is slow is not asked again meanwhile. */
  readonly #looking = new Set<string>();
  #events: NodeJS.ReadableStream | undefined;
  #timer: NodeJS.Timeout | undefined;
  #isClosed = false;
  #isOpening = false;

  constructor(options: { engine: Engine; names: Names }) {
    this.#engine = options.engine;
    this.#names = options.names;
  }

  /** Resolves when this container no longer runs. Never rejects. */
  async gone(id: string): Promise<SidecarEnd> {
    const end = new Promise<SidecarEnd>((resolve) => this.#waiting.set(id, resolve));
    this.#timer ??= setInterval(() => void this.#lookAtAll(), lookEveryMs).unref();
    void this.#openEvents();
    void this.#look(id);
    return end;
  }

  close(): void {
    this.#isClosed = true;
    clearInterval(this.#timer);
    if (this.#events && "destroy" in this.#events && typeof this.#events.destroy === "function") this.#events.destroy();
  }

  async #openEvents(): Promise<void> {
    if (this.#events || this.#isOpening || this.#isClosed) return;
    this.#isOpening = true;
    try {
      const events = await this.#engine.getEvents({
        filters: {
          type: ["container"],
          event: ["die", "destroy"],
          label: [`${label.daemon}=${this.#names.daemon}`],
        },
      });
      this.#events = events;
      const reopen = () => {
        if (this.#events !== events) return;
        this.#events = undefined;
        if (!this.#isClosed) setTimeout(() => void this.#openEvents(), reopenMs).unref();
      };
      events.on("data", (chunk: Buffer) => this.#onEvents(String(chunk)));
      events.on("end", reopen).on("close", reopen).on("error", reopen);
      if (this.#isClosed) this.close();
      // What ended before the events were open.
      void this.#lookAtAll();
    } catch {
      // The engine is away: the next look tries again.
    } finally {
      this.#isOpening = false;
    }
  }

  #onEvents(text: string): void {
    for (const id of this.#waiting.keys()) if (text.includes(id)) void this.#look(id);
  }

  async #lookAtAll(): Promise<void> {
    void this.#openEvents();
    await Promise.all([...this.#waiting.keys()].map((id) => this.#look(id)));
  }

  async #look(id: string): Promise<void> {
    if (this.#looking.has(id)) return;
    this.#looking.add(id);
    await this.#lookOnce(id);
    this.#looking.delete(id);
  }

  async #lookOnce(id: string): Promise<void> {
    let end: SidecarEnd | undefined;
    try {
      const { State, HostConfig } = await this.#engine.getContainer(id).inspect();
      if (State.Running || State.Paused || State.Restarting || State.Status === "created") return;
      end = endOf(State, HostConfig.Memory ?? 0);
    } catch (error) {
      // An engine that is away says nothing about the container.
      if (!isMissing(error)) return;
      end = { code: null, signal: null, reason: "its container was removed behind agentd's back" };
    }
    this.#waiting.get(id)?.(end);
    this.#waiting.delete(id);
    if (this.#waiting.size === 0) {
      clearInterval(this.#timer);
      this.#timer = undefined;
    }
  }
}

export function endOf(
  state: Pick<Docker.ContainerInspectInfo["State"], "ExitCode" | "OOMKilled" | "Error">,
  memoryBytes: number,
): SidecarEnd {
  const code = state.ExitCode;
  if (state.OOMKilled) {
    const mebibytes = Math.round(memoryBytes / 1024 ** 2);
    return {
      code,
      signal: "SIGKILL",
      reason: `its container used more memory than it may (${mebibytes} MiB). Ask for more with container.memory, or raise docker.memory`,
    };
  }
  if (state.Error)
    return { code, signal: null, reason: `its container ended with code ${code}: ${messageOf(state.Error)}` };
  if (code === 137) return { code, signal: "SIGKILL", reason: "its container was killed" };
  return { code, signal: null, reason: `its container ended with code ${code}` };
}
