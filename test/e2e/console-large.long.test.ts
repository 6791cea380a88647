/** A session whose log is a gigabyte: its end is there at once, the rest as one scrolls up, and the page holds next to nothing of it. */
import { expect, test } from "vitest";
import { describeConsole, feedOf, servePlain } from "../support/console-suite.ts";
import { eventually } from "../support/eventually.ts";
import { called, came, failed, prompted } from "../support/story.ts";

const lineBytes = 16_384;
const gigabyte = 1024 ** 3;
const turns = Math.ceil(gigabyte / lineBytes);
const filler = "x".repeat(lineBytes);

/** A prompt and a call that says much; long ago something failed. */
function* story() {
  for (let turn = 1; turn <= turns; turn++) {
    const turn_id = `t${turn}`;
    yield prompted(turn_id, `prompt number ${turn}`);
    yield called(turn_id, `c${turn}`, { command: `echo ${turn}` });
    yield came(turn_id, `c${turn}`, filler);
    if (turn === 100) yield failed("No space left on device");
  }
}

const id = "33333333-0000-4000-8000-000000000001";
const options = { serve: servePlain, ended: { [id]: story() }, setUpMs: 120_000 };

describeConsole("a log of a gigabyte", options, ({ open }) => {
  test("shows its end having read a few megabytes, goes back as far as one scrolls, and keeps no text of it", {
    timeout: 500_000,
  }, async () => {
    const { page, complaints } = await open(`#/sessions/${id}`);
    const feed = feedOf(page);
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

    // What failed long ago is found in what nobody has read, once one waits for it, or else one stops.
    await page.getByLabel("Search in this session").fill("no space left");
    await page.keyboard.press("Enter");
    const stop = page.getByRole("button", { name: "Stop search" });
    await stop.click();
    await page.getByText("stopped; the same words go on from there").waitFor();
    await page.getByLabel("Search in this session").press("Enter");
    await eventually(async () => (await current.innerText()).includes("No space left on device"), {
      deadlineMs: 300_000,
      what: "the sight of what failed",
    });
    await page.keyboard.press("Escape");
    await page.keyboard.press("k");
    await eventually(async () => (await current.innerText()).includes("echo 100"));

    const session = await page.context().newCDPSession(page);
    await session.send("HeapProfiler.collectGarbage");
    const { usedSize } = await session.send("Runtime.getHeapUsage");
    expect(usedSize).toBeLessThan(60_000_000);
    expect(complaints).toEqual([]);
  });
});
