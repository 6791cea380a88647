/** The web console in a real browser without a window, as a person has it: by what can be seen, read out and pressed. */
import {
  type Browser,
  type BrowserContextOptions,
  chromium,
  type Locator,
  type Page,
  type Request,
} from "playwright-core";
import { onTestFinished } from "vitest";
import { browserPath } from "./browser.ts";
import type { Daemon } from "./start-daemon.ts";

export async function openBrowser(): Promise<Browser> {
  if (browserPath === undefined) throw new Error("there is no browser: apt-get install chromium-headless-shell");
  return chromium.launch({
    executablePath: browserPath,
    // Its own sandbox does not work for root; the pages are ours. A proxy of the machine's must not come between.
    args: ["--no-proxy-server", "--disable-dev-shm-usage", ...(process.getuid?.() === 0 ? ["--no-sandbox"] : [])],
  });
}

export interface ConsolePage {
  page: Page;
  /** What the page said that nobody should have to read: errors, and what its policy refused. */
  complaints: string[];
  /** All addresses that it asked for. */
  asked: string[];
}

/** A browser's profile of its own, closed when the test is over. `token` is given to the login as a person does. */
export async function openConsole(
  browser: Browser,
  daemon: Pick<Daemon, "url" | "token">,
  { token = daemon.token, at = "", ...options }: BrowserContextOptions & { token?: string; at?: string } = {},
): Promise<ConsolePage> {
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, ...options });
  onTestFinished(() => context.close());
  const page = await context.newPage();
  const complaints: string[] = [];
  const asked: string[] = [];
  page.on("pageerror", (error) => complaints.push(String(error)));
  page.on("console", (message) => {
    // Chromium says so of each refusal by itself, whatever becomes of it: a page asks once to learn whether a token is needed.
    if (message.text().includes("401 (Unauthorized)") || message.text().includes(networkChanged)) return;
    if (message.type() === "error" || message.type() === "warning") complaints.push(message.text());
  });
  page.on("requestfailed", (request) => {
    // What was given up is nobody's fault: a page that goes ends its streams.
    const reason = request.failure()?.errorText ?? "";
    if (reason !== "net::ERR_ABORTED" && reason !== networkChanged) complaints.push(`${request.url()}: ${reason}`);
  });
  page.on("request", (request) => asked.push(request.url()));
  await load(page, `${daemon.url}/${at}`);
  if (token !== "") await logIn(page, token);
  return { page, complaints, asked };
}

/** A container that starts or ends elsewhere on the machine is a new network to Chromium: it cuts off what is under way. */
const networkChanged = "net::ERR_NETWORK_CHANGED";

/** Opens the page from its beginning, whole: again while parts of it were cut off. */
export async function load(page: Page, url: string): Promise<void> {
  let isCut = true;
  const note = (request: Request) => {
    if (request.failure()?.errorText === networkChanged) isCut = true;
  };
  page.on("requestfailed", note);
  while (isCut) {
    isCut = false;
    await page.goto("about:blank");
    await page.goto(url).catch((error: Error) => {
      if (!error.message.includes(networkChanged)) throw error;
    });
  }
  page.off("requestfailed", note);
}

export async function logIn(page: Page, token: string): Promise<void> {
  await page.getByLabel("Token").fill(token);
  await page.getByRole("button", { name: "Enter" }).click();
}

/** An answer to the question in that panel is taken from now on: it has been shown for long enough. */
export async function isTaken(asks: Locator): Promise<void> {
  await asks.getByRole("button", { name: /^(?:Approve|Answer)/, disabled: false }).waitFor();
}
