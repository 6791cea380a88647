/** What tests of the console have in common: a daemon over what was left in its data, a browser, and both gone afterwards. */
import { join } from "node:path";
import type { Browser, BrowserContextOptions, Locator, Page } from "playwright-core";
import { afterAll, beforeAll, describe } from "vitest";
import { browserPath } from "./browser.ts";
import { type ConsolePage, openBrowser, openConsole } from "./console.ts";
import { type CountsDaemon, startCountsDaemon } from "./counts-daemon.ts";
import { putEndedSession } from "./ended-session.ts";
import { type Daemon, startDaemon } from "./start-daemon.ts";
import type { Told } from "./story.ts";
import { type TempDir, tempDir } from "./temp-dir.ts";

/** Whatever has a daemon, which may be another after a while. */
export interface Served {
  readonly daemon: Daemon;
  stop(): Promise<unknown>;
}

export interface ConsoleSuite<S extends Served> {
  readonly served: S;
  readonly browser: Browser;
  /** The page at that view, logged in; closed when the test is over. */
  open(at?: string, options?: BrowserContextOptions & { token?: string }): Promise<ConsolePage>;
}

export interface ConsoleSuiteOptions<S extends Served> {
  serve(dataDir: string): Promise<S>;
  /** Sessions that have ended, by their ids. */
  ended?: Readonly<Record<string, Iterable<Told>>>;
  setUpMs?: number;
}

/** Without a browser on the machine they are left out. */
export function describeConsole<S extends Served>(
  title: string,
  { serve, ended = {}, setUpMs }: ConsoleSuiteOptions<S>,
  tests: (suite: ConsoleSuite<S>) => void,
): void {
  describe.skipIf(browserPath === undefined)(title, () => {
    let dir: TempDir | undefined;
    let served: S | undefined;
    let browser: Browser | undefined;
    beforeAll(async () => {
      dir = await tempDir();
      const dataDir = join(dir.path, "data");
      for (const [id, story] of Object.entries(ended)) putEndedSession(dataDir, id, story);
      [served, browser] = await Promise.all([serve(dataDir), openBrowser()]);
    }, setUpMs);
    afterAll(async () => {
      await browser?.close();
      await served?.stop();
      await dir?.remove();
    });
    tests({
      get served() {
        return started(served);
      },
      get browser() {
        return started(browser);
      },
      open: (at = "", options = {}) => openConsole(started(browser), started(served).daemon, { at, ...options }),
    });
  });
}

function started<T>(value: T | undefined): T {
  if (value === undefined) throw new Error("it is there within tests only: its set-up comes before them");
  return value;
}

/** A daemon that only has what was left in its data. */
export async function servePlain(dataDir: string): Promise<Served> {
  const daemon = await startDaemon({ dataDir });
  return { daemon, stop: () => daemon.stop() };
}

/** A daemon with the counting stand-in for an agent. */
export function serveCounts(dataDir: string): Promise<CountsDaemon> {
  return startCountsDaemon({ dataDir });
}

/** The rows of the conversation. */
export function feedOf(page: Page): Locator {
  return page.getByRole("feed", { name: "Conversation" });
}
