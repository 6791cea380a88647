/** The turns of a session whose log is read back piece by piece: a turn's number leads to its place, wherever that came to be. */
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

const turns = 80;
/** All together more than is read without being asked for. */
const filler = "x".repeat(450_000);

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
    for (let line = 1; line <= 20; line++)
      yield {
        type: "agent_message",
        data: { turn_id, item_id: `${turn} ${line}`, text: `said ${line}`, delta: false },
      };
  }
}

describe.skipIf(browserPath === undefined)("the turns of a long session", () => {
  const dir = realpathSync(mkdtempSync(join(tmpdir(), "agentd-test-")));
  const id = "55555555-0000-4000-8000-000000000001";
  let daemon: Daemon;
  let browser: Browser;
  beforeAll(async () => {
    putEndedSession(join(dir, "data"), id, story());
    [daemon, browser] = await Promise.all([startDaemon({ dataDir: join(dir, "data") }), openBrowser()]);
  });
  afterAll(async () => {
    await browser?.close();
    await daemon?.stop();
    await rm(dir, { recursive: true });
  });

  test("lead to their prompts, also those that were read while the conversation was not shown", async () => {
    const { page, complaints } = await openConsole(browser, daemon, { at: `#/sessions/${id}` });
    const feed = page.getByRole("feed", { name: "Conversation" });
    await feed.getByText(`said 20`, { exact: true }).last().waitFor();
    await page.getByText(/the last 3[2-4]\.\d MiB of/).waitFor();
    const tab = (name: string) => page.getByRole("tab", { name });
    const current = feed.locator('[aria-current="true"]');
    const isSeen = async (rowLocator = current) => {
      const [list, row] = await Promise.all([feed.boundingBox(), rowLocator.boundingBox({ timeout: 1000 })]);
      if (!list || !row) return false;
      return row.y >= list.y - 1 && row.y + row.height <= list.y + list.height + 1;
    };
    const show = async (turn: number) => {
      await tab("Turns").click();
      await page.getByRole("button", { name: `t${turn}`, exact: true }).click();
      await eventually(async () => (await current.innerText()).includes(`prompt number ${turn}`) && isSeen(), {
        what: `the sight of turn ${turn}`,
      });
    };
    await show(60);
    await tab("Turns").click();
    const further = page.getByRole("button", { name: "Read further back" });
    const first = page.getByRole("button", { name: "t1", exact: true });
    await eventually(
      async () => {
        if ((await first.count()) === 1) return true;
        // It goes when there is no more.
        await further.click({ timeout: 1000 });
        return false;
      },
      { deadlineMs: 30_000, what: "the first turn" },
    );
    await show(1);
    await show(79);
    await show(3);

    // Where it was when another part was looked at.
    await tab("Network").click();
    await tab("Conversation").click();
    await eventually(() => isSeen(feed.getByText("prompt number 3", { exact: true })));
    expect(complaints).toEqual([]);
  });
});
