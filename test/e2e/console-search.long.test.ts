/** Words in a session that is longer than what is read of it: found from the end upwards, with a way to stop, and shown where they are. */
import type { Page } from "playwright-core";
import { expect, test } from "vitest";
import { describeConsole, feedOf, servePlain } from "../support/console-suite.ts";
import { eventually } from "../support/eventually.ts";
import { called, came, failed, prompted, said, saidInPart } from "../support/story.ts";

const id = "77777777-0000-4000-8000-000000000001";
const turns = 100;
/** All together more than is read without being asked for. */
const filler = "x".repeat(450_000);

function* story() {
  for (let turn = 1; turn <= turns; turn++) {
    const turn_id = `t${turn}`;
    yield prompted(turn_id, `prompt number ${turn}`);
    // A message of which a part comes before two calls, and the whole behind them.
    yield saidInPart(turn_id, `m${turn}`, "I will ");
    yield called(turn_id, `a${turn}`, { command: `first of ${turn}` });
    yield called(turn_id, `b${turn}`, { command: `second of ${turn}` });
    yield saidInPart(turn_id, `m${turn}`, "do it");
    yield said(turn_id, `m${turn}`, `I will do it: ${turn}`);
    yield came(turn_id, `b${turn}`, `${filler} out of second ${turn}`);
    yield came(turn_id, `a${turn}`, `out of first ${turn}`);
    if (turn === 3 || turn === 95) yield failed(`Disk quota exceeded in turn ${turn}`);
  }
}

/** What is done after a frame comes long after it, as on a machine that has much else to do. */
function drawLate() {
  const { setTimeout } = window;
  window.requestAnimationFrame = (callback) => setTimeout(() => callback(performance.now()), 400);
  // Where no frame comes, the page's library waits so long for one.
  window.setTimeout = ((callback: () => void, ms?: number) =>
    setTimeout(callback, ms === 35 ? 400 : ms)) as typeof setTimeout;
}

describeConsole("a search in a long session", { serve: servePlain, ended: { [id]: story() } }, ({ open }) => {
  const enter = async ({ slow = false } = {}) => {
    const { page, complaints } = await open(`#/sessions/${id}`, { locale: "en-US", timezoneId: "UTC" });
    if (slow) await page.evaluate(drawLate);
    const feed = feedOf(page);
    await feed.getByText("The agent ended with").waitFor();
    const current = feed.locator('[aria-current="true"]');
    /** Whether the row that it led to has them. */
    const isAt = (words: string) =>
      eventually(async () => (await current.count()) === 1 && (await current.innerText()).includes(words), {
        what: `the sight of ${words}`,
        deadlineMs: 30_000,
      });
    return { page, complaints, feed, current, isAt, status: page.getByRole("search").getByRole("status") };
  };
  const look = async (page: Page, words: string) => {
    await page.getByLabel("Search in this session").fill(words);
    await page.keyboard.press("Enter");
  };

  test("the newest comes first, then what stands above what was read, and again down", async () => {
    const { page, complaints, isAt, status } = await enter();
    await page.getByText(/the last 3[2-4]\.\d MiB of/).waitFor();
    await look(page, "disk quota");
    await isAt("Disk quota exceeded in turn 95");
    await status.getByText("Jan 1, 2026").waitFor();
    await page.keyboard.press("Enter");
    await isAt("Disk quota exceeded in turn 3");
    await page.keyboard.press("Enter");
    await status.getByText("not found further up").waitFor();
    await page.getByRole("button", { name: "Search further down" }).click();
    await isAt("Disk quota exceeded in turn 95");
    await page.getByRole("button", { name: "Search further up" }).click();
    await isAt("Disk quota exceeded in turn 3");
    await page.getByLabel("Search in this session").press("Shift+Enter");
    await isAt("Disk quota exceeded in turn 95");
    expect(complaints).toEqual([]);
  });

  test("a call that stands between the parts of a message is found, by what went in and what came out", async () => {
    const { page, isAt } = await enter();
    for (const [words, row] of [
      ["second of 98", "second of 98"],
      ["first of 98", "first of 98"],
      ["out of second 97", "second of 97"],
      ["out of first 2", "first of 2"],
      ["I will do it: 2", "I will do it: 2"],
    ] as const) {
      await look(page, words);
      await isAt(row);
    }
  });

  test("what was found is shown also where the screen is drawn late", async () => {
    const { page, isAt } = await enter({ slow: true });
    for (const words of ["out of first 70", "second of 40", "Disk quota exceeded in turn 3", "I will do it: 98"]) {
      await look(page, words);
      await isAt(words.replace("out of ", ""));
    }
  });

  test("it says how far it is, stops when it is told to, and goes on from there", async () => {
    const { page, isAt, status } = await enter();
    await page.getByText(/the last 3[2-4]\.\d MiB of/).waitFor();
    let isHeld = true;
    const held: (() => void)[] = [];
    await page.route(/\/log$/, async (route) => {
      const from = Number(/bytes=(\d+)-/.exec(route.request().headers()["range"] ?? "")?.[1]);
      if (isHeld && from < 5_000_000) await new Promise<void>((resolve) => held.push(resolve));
      await route.continue();
    });
    await look(page, "exceeded in turn 3");
    await eventually(() => held.length === 1, { what: "a read of the log's beginning" });
    const progress = page.getByRole("progressbar", { name: "How much was searched" });
    const part = await progress.evaluate((bar) => (bar as HTMLProgressElement).position);
    expect(part).toBeGreaterThan(0.8);
    expect(part).toBeLessThan(1);
    await page.getByText(/\d\d\.\d MiB of 4\d\.\d MiB, Jan 1, 2026/).waitFor();
    await page.getByRole("button", { name: "Stop search" }).click();
    await status.getByText("stopped").waitFor();
    expect(await progress.count()).toBe(0);
    isHeld = false;
    for (const release of held) release();
    await page.getByLabel("Search in this session").press("Enter");
    await isAt("Disk quota exceeded in turn 3");
  });
});
