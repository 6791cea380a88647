/** A session whose log is a gigabyte: its end is there at once, the rest as one scrolls up, and the page holds next to nothing of it. */
import { mkdtempSync, realpathSync } from "node:fs";
import { rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { browserPath } from "../support/browser.ts";
import { openBrowser, openConsole } from "../support/console.ts";
import { putEndedSession } from "../support/ended-session.ts";
import { eventually } from "../support/eventually.ts";
import { type Daemon, startDaemon } from "../support/start-daemon.ts";

const lineBytes = 16_384;
const gigabyte = 1024 ** 3;
const turns = Math.ceil(gigabyte / lineBytes);
const filler = "x".repeat(lineBytes);

/** A prompt and a call that says much. */
function* story() {
  for (let turn = 1; turn <= turns; turn++) {
    const turn_id = `t${turn}`;
    yield { type: "user_message", data: { turn_id, kind: "prompt", text: `prompt number ${turn}` } };
    yield {
      type: "tool_use",
      data: { turn_id, id: `c${turn}`, name: "Bash", kind: "execute", input: { command: `echo ${turn}` } },
    };
    yield {
      type: "tool_result",
      data: { turn_id, id: `c${turn}`, name: "Bash", output: filler, is_error: false, duration_ms: 1 },
    };
  }
}

describe.skipIf(browserPath === undefined)("a log of a gigabyte", () => {
  const dir = realpathSync(mkdtempSync(join(tmpdir(), "agentd-test-")));
  const id = "33333333-0000-4000-8000-000000000001";
  let daemon: Daemon;
  let browser: Browser;
  beforeAll(async () => {
    putEndedSession(join(dir, "data"), id, story());
    [daemon, browser] = await Promise.all([startDaemon({ dataDir: join(dir, "data") }), openBrowser()]);
  }, 120_000);
  afterAll(async () => {
    await browser?.close();
    await daemon?.stop();
    await rm(dir, { recursive: true });
  });

  test("shows its end having read a few megabytes, goes back as far as one scrolls, and keeps no text of it", {
    timeout: 120_000,
  }, async () => {
    const { page, complaints } = await openConsole(browser, daemon, { at: `#/sessions/${id}` });
    const feed = page.getByRole("feed", { name: "Conversation" });
    const articles = feed.getByRole("article");
    await feed.getByText("The agent ended with").waitFor();
    await feed.getByText(`prompt number ${turns}`, { exact: true }).waitFor();
    // All that is read without being asked for.
    await page.getByText(/the last 3[2-4]\.\d MiB of 1\.0 GiB/).waitFor();
    const rowCount = async () => Number(await articles.last().getAttribute("aria-setsize"));
    const eager = await eventually(async () => (await rowCount()) > 1000 && (await rowCount()));
    expect(eager).toBeLessThan(turns / 8);

    // To the first that is there: more comes before it, and what one looks at stays where it is.
    await page.keyboard.press("g");
    const current = feed.locator('[aria-current="true"]');
    const first = await current.innerText();
    await eventually(async () => (await rowCount()) > eager);
    expect(await current.innerText()).toBe(first);
    const box = await feed.boundingBox();
    const at = await current.boundingBox();
    expect(at?.y).toBeGreaterThanOrEqual((box?.y ?? 0) - 1);
    expect(at?.y).toBeLessThan((box?.y ?? 0) + (box?.height ?? 0));

    // The row before it, which was not there a moment ago.
    await page.keyboard.press("k");
    await eventually(async () => (await current.innerText()) !== first);
    const number = (text: string) => Number(/(?:number|echo) (\d+)/.exec(text)?.[1]);
    expect(number(first) - number(await current.innerText())).toBeLessThanOrEqual(1);

    // And on, as far as one goes.
    for (let step = 0; step < 20; step++) {
      const before = await rowCount();
      await page.keyboard.press("g");
      await eventually(async () => (await rowCount()) > before);
    }
    const shown = await eventually(async () => !(await current.innerText()).includes("…") && current.innerText());
    expect(number(shown)).toBeGreaterThan(turns / 2);

    // Words are looked for in what was read first.
    await page.keyboard.press("/");
    await page.keyboard.type(`prompt number ${turns - 3}`);
    await page.keyboard.press("Enter");
    await eventually(async () => (await current.innerText()).includes(`prompt number ${turns - 3}`));

    const session = await page.context().newCDPSession(page);
    await session.send("HeapProfiler.collectGarbage");
    const { usedSize } = await session.send("Runtime.getHeapUsage");
    expect(usedSize).toBeLessThan(60_000_000);
    expect(complaints).toEqual([]);
  });
});
