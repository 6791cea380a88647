/** A real browser without a window, spoken to by its own protocol over pipes: no port that others could reach. */
import { type ChildProcess, spawn } from "node:child_process";
import type { Readable, Writable } from "node:stream";
import * as z from "zod";
import { eventually } from "./eventually.ts";
import { inPath } from "./in-path.ts";
import { type TempDir, tempDir } from "./temp-dir.ts";

/** The browser that there is; AGENTRUNTIME_TEST_BROWSER names another. */
export const browserPath: string | undefined =
  process.env["AGENTRUNTIME_TEST_BROWSER"] ??
  inPath(["chromium-headless-shell", "chromium", "chromium-browser", "google-chrome"]);

const Message = z.object({
  id: z.number().optional(),
  result: z.record(z.string(), z.unknown()).optional(),
  error: z.object({ message: z.string() }).optional(),
});
type Message = z.infer<typeof Message>;

const Target = z.object({ targetId: z.string() });
const FrameTree = z.object({
  frameTree: z.object({ childFrames: z.array(z.object({ frame: z.object({ url: z.string() }) })).default([]) }),
});
const Attached = z.object({ sessionId: z.string() });
const Evaluated = z.object({
  result: z.object({ value: z.unknown() }),
  exceptionDetails: z.object({ text: z.string() }).optional(),
});

export class Browser {
  readonly #process: ChildProcess;
  readonly #dir: TempDir;
  readonly #gone: Promise<unknown>;
  readonly #waiting = new Map<number, (message: Message) => void>();
  #lastId = 0;

  private constructor(child: ChildProcess, dir: TempDir) {
    this.#process = child;
    this.#dir = dir;
    this.#gone = new Promise((resolve) => child.once("exit", resolve));
    let rest = "";
    const from = child.stdio[4] as Readable;
    from.setEncoding("utf8").on("data", (chunk: string) => {
      const parts = (rest + chunk).split("\0");
      rest = parts.pop() ?? "";
      for (const part of parts) this.#take(Message.parse(JSON.parse(part)));
    });
  }

  /** `names` are hosts that are to be found on this machine. */
  static async open(path: string, names: readonly string[]): Promise<Browser> {
    const dir = await tempDir();
    const rules = names.map((name) => `MAP ${name} 127.0.0.1`).join(", ");
    const flags = [
      "--headless",
      "--remote-debugging-pipe",
      `--user-data-dir=${dir.path}`,
      `--host-resolver-rules=${rules}`,
      // A proxy of the machine's must not come between.
      "--no-proxy-server",
      "--no-first-run",
      "--disable-gpu",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-dev-shm-usage",
      // Its own sandbox does not work for root; the pages are ours.
      ...(process.getuid?.() === 0 ? ["--no-sandbox"] : []),
      "about:blank",
    ];
    const env = { ...process.env, HOME: dir.path, XDG_CONFIG_HOME: dir.path, XDG_CACHE_HOME: dir.path };
    const stdio = ["ignore", "ignore", "ignore", "pipe", "pipe"] as const;
    // In a group of its own, so that all of it can be ended.
    const child = spawn(path, flags, { env, stdio: [...stdio], detached: true });
    return new Browser(child, dir);
  }

  /** A page at that address, once it is loaded. */
  async page(url: string): Promise<Page> {
    const { targetId } = Target.parse(await this.#call("Target.createTarget", { url: "about:blank" }));
    const attached = await this.#call("Target.attachToTarget", { targetId, flatten: true });
    const { sessionId } = Attached.parse(attached);
    const call = (method: string, params = {}) => this.#call(method, params, sessionId);
    await call("Page.navigate", { url });
    const evaluate = async (expression: string) => {
      const options = { awaitPromise: true, returnByValue: true };
      const evaluated = Evaluated.parse(await call("Runtime.evaluate", { expression, ...options }));
      if (evaluated.exceptionDetails) throw new Error(JSON.stringify(evaluated));
      return evaluated.result.value;
    };
    const isThere = "document.readyState === 'complete' && location.href !== 'about:blank'";
    await eventually(async () => (await evaluate(isThere)) === true, { deadlineMs: 60_000, what: `the page ${url}` });
    return {
      evaluate,
      frames: async () => {
        const { frameTree } = FrameTree.parse(await call("Page.getFrameTree"));
        return frameTree.childFrames.map(({ frame }) => frame.url);
      },
      close: async () => {
        await this.#call("Target.closeTarget", { targetId });
      },
    };
  }

  async close(): Promise<void> {
    const kill = setTimeout(() => this.#killAll(), 10_000);
    (this.#process.stdio[3] as Writable).write(`${JSON.stringify({ id: 0, method: "Browser.close" })}\0`);
    await this.#gone;
    clearTimeout(kill);
    this.#killAll();
    await this.#dir.remove();
  }

  /** Its helpers may outlive it for a moment, and write into its folder. */
  #killAll(): void {
    try {
      process.kill(-(this.#process.pid ?? 0), "SIGKILL");
    } catch {
      // Nobody of them is left.
    }
  }

  async #call(method: string, params: object, sessionId?: string): Promise<Record<string, unknown>> {
    this.#lastId += 1;
    const id = this.#lastId;
    const answered = new Promise<Message>((resolve) => this.#waiting.set(id, resolve));
    const text = JSON.stringify({ id, method, params, ...(sessionId === undefined ? {} : { sessionId }) });
    (this.#process.stdio[3] as Writable).write(`${text}\0`);
    const ended = this.#gone.then(() => ({ error: { message: "the browser has ended" } }));
    const { error, result = {} }: Message = await Promise.race([answered, ended]);
    if (error) throw new Error(`${method}: ${error.message}`);
    return result;
  }

  #take({ id, ...rest }: Message): void {
    // What it tells by itself is asked for where it matters.
    if (id === undefined) return;
    this.#waiting.get(id)?.(rest);
    this.#waiting.delete(id);
  }
}

export interface Page {
  /** What an expression, or the promise that it is, comes to. */
  evaluate(expression: string): Promise<unknown>;
  /** Addresses of what its frames show; a browser's own words, for what it may not show, have one of their own. */
  frames(): Promise<string[]>;
  close(): Promise<void>;
}
