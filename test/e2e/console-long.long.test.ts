/** A session of 100,000 events in the console: all of it is there, and next to nothing of it is in the page. */
import { expect, test } from "vitest";
import { describeConsole, feedOf, servePlain } from "../support/console-suite.ts";
import { eventually } from "../support/eventually.ts";
import { called, came, ended, prompted, said } from "../support/story.ts";

const turns = 25_000;

/** Four events a turn. */
function* story() {
  for (let turn = 1; turn <= turns; turn++) {
    const turn_id = `t${turn}`;
    const filler = "lorem ipsum ".repeat(turn % 30);
    yield prompted(turn_id, `prompt number ${turn}`);
    yield said(turn_id, `m${turn}`, `answer number ${turn} ${filler}`);
    yield called(turn_id, `c${turn}`, { command: `echo ${turn}` });
    yield came(turn_id, `c${turn}`, `output ${turn}`);
  }
  yield ended(`t${turns}`);
}

const id = "33333333-0000-4000-8000-000000000000";

describeConsole("100,000 events", { serve: servePlain, ended: { [id]: story() } }, (suite) => {
  /** At its end, all of it read. */
  const open = async () => {
    const { page } = await suite.open(`#/sessions/${id}`);
    const feed = feedOf(page);
    const articles = feed.getByRole("article");
    await feed.getByText("The agent ended with").waitFor({ timeout: 50_000 });
    // The end is there at once, the rest of a log of this length soon after.
    await eventually(async () => (await articles.last().getAttribute("aria-setsize")) === String(turns * 3 + 2), {
      deadlineMs: 50_000,
    });
    return { page, feed, articles, rowsInPage: () => articles.count() };
  };

  test("the last and the first are found, by scrolling and by words, with a few dozen rows in the page", {
    timeout: 120_000,
  }, async () => {
    const { page, feed, articles, rowsInPage } = await open();
    expect(await rowsInPage()).toBeLessThan(120);

    await page.keyboard.press("g");
    await feed.getByText("prompt number 1", { exact: true }).waitFor();
    await feed.getByText("echo 3", { exact: true }).waitFor();
    expect(await rowsInPage()).toBeLessThan(120);

    // Somewhere, by the scroll bar: its rows were not in memory, and are read again.
    await feed.evaluate((box) => {
      box.scrollTop = box.scrollHeight / 2;
    });
    const middle = await eventually(async () => {
      const texts = await articles.allInnerTexts();
      const numbers = texts.flatMap((text) =>
        [...text.matchAll(/(?:prompt|answer) number (\d+)/g)].map((found) => Number(found[1])),
      );
      return numbers.length >= 10 && !texts.includes("…") && numbers;
    });
    expect(middle[0]).toBeGreaterThan(turns / 4);
    expect(middle.at(-1)).toBeLessThan((turns * 3) / 4);
    // Each once and in order: a prompt and its answer have the same number.
    expect(middle).toEqual(middle.toSorted((a, b) => a - b));

    await page.keyboard.press("/");
    await page.keyboard.type("answer number 12345 ");
    await page.keyboard.press("Enter");
    const found = feed.locator('[aria-current="true"]');
    await found.getByText("answer number 12345").waitFor();

    await page.keyboard.press("Escape");
    await page.keyboard.press("j");
    await found.getByText("echo 12345").waitFor();
    await page.keyboard.press("Enter");
    await found.getByText("output 12345").waitFor();

    await page.keyboard.press("G");
    await feed.getByText("The agent ended with").waitFor();
    await feed.getByText(`t${turns} · success`).waitFor();
    expect(await rowsInPage()).toBeLessThan(120);

    // Who is at the end stays there, whatever becomes of the window.
    for (const height of [1100, 500, 900]) {
      await page.setViewportSize({ width: 1280, height });
      await eventually(() => feed.evaluate((box) => box.scrollTop + box.clientHeight >= box.scrollHeight - 1));
    }
    await feed.getByText("The agent ended with").waitFor();
  });

  test("every row comes by while one scrolls page by page; its text is not kept", { timeout: 120_000 }, async () => {
    const { page, feed, articles } = await open();
    await page.keyboard.press("g");
    await feed.getByText("prompt number 1", { exact: true }).waitFor();
    let last = 0;
    for (let step = 0; step < 60; step++) {
      const positions = await eventually(async () => {
        const all = await articles.evaluateAll((rows) => rows.map((row) => Number(row.getAttribute("aria-posinset"))));
        return all.length > 0 && !(await articles.allInnerTexts()).includes("…") && all;
      });
      expect(positions).toEqual(Array.from(positions, (_, at) => (positions[0] ?? 0) + at));
      expect(positions[0]).toBeLessThanOrEqual(last + 1);
      last = Math.max(last, positions.at(-1) ?? 0);
      await feed.evaluate((box) => {
        box.scrollTop += box.clientHeight;
      });
    }
    expect(last).toBeGreaterThan(500);
    const session = await page.context().newCDPSession(page);
    await session.send("HeapProfiler.collectGarbage");
    const { usedSize } = await session.send("Runtime.getHeapUsage");
    const { body } = await suite.served.daemon.get(`/sessions/${id}`);
    expect(body.log_bytes).toBeGreaterThan(20_000_000);
    // The table of 75,002 rows, ten thousand turns for the timeline, at most 8 MiB of text with what belongs to it.
    expect(usedSize).toBeLessThan(40_000_000);
  });
});
