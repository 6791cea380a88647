/** The console while its daemon fails now and then: nothing is missing, nothing is said twice, and what is over is said no more. */
import type { Page, Route } from "playwright-core";
import { expect, test } from "vitest";
import { describeConsole, feedOf, serveCounts } from "../support/console-suite.ts";
import { eventually } from "../support/eventually.ts";
import { came, prompted } from "../support/story.ts";

const turns = 40;
const endedId = "44444444-0000-4000-8000-000000000001";

/** Prompts with much between them, and lines of another version. */
function* story() {
  for (let turn = 1; turn <= turns; turn++) {
    const turn_id = `t${turn}`;
    yield prompted(turn_id, `prompt number ${turn}`);
    yield { type: "of_tomorrow", data: { turn_id } };
    yield came(turn_id, turn_id, "x".repeat(100_000));
  }
}

const options = { serve: serveCounts, ended: { [endedId]: story() } };

describeConsole("a daemon that fails now and then", options, (suite) => {
  const broken = (route: Route) => route.fulfill({ status: 500, json: { error: "internal", message: "it broke" } });
  /** The page at its login's other side; the view itself is opened once the daemon has been made to fail. */
  const enter = async (setUp: (page: Page) => Promise<unknown>, at: string) => {
    const { page } = await suite.open();
    await page.getByRole("heading", { name: "Sessions" }).waitFor();
    await setUp(page);
    await page.evaluate((hash) => location.assign(hash), at);
    return page;
  };
  /** Each read of a log fails once, in one way or another. */
  const failingReads = () => {
    let reads = 0;
    return (page: Page) =>
      page.route(/\/log$/, (route) => {
        const read = reads++;
        if (read % 2 === 1) return route.continue();
        return read % 4 === 0 ? route.abort("connectionreset") : broken(route);
      });
  };

  test("a session is read from its end to its beginning, and its texts again", async () => {
    const page = await enter(failingReads(), `#/sessions/${endedId}`);
    await feedOf(page).getByText(`prompt number ${turns}`, { exact: true }).waitFor();
    const rows = feedOf(page).getByRole("article");
    await eventually(async () => (await rows.last().getAttribute("aria-setsize")) === String(2 * turns + 1), {
      deadlineMs: 30_000,
    });
    await feedOf(page).click();
    await page.keyboard.press("g");
    await feedOf(page).getByText("prompt number 1", { exact: true }).waitFor();
    await page.getByRole("alert").waitFor({ state: "detached" });
  });

  test("a session that runs is followed although its opening failed", async () => {
    const id = await suite.served.create({ prompt: "words=1" });
    await suite.served.until(id, (events) => events.some(({ type }) => type === "result"));
    const page = await enter(failingReads(), `#/sessions/${id}`);
    await feedOf(page).getByText("t1 · success").waitFor();
    await suite.served.daemon.post(`/sessions/${id}/prompt`, { text: "words=1 another" });
    await feedOf(page).getByText("t2 · success").waitFor();
    await suite.served.daemon.delete(`/sessions/${id}`);
  });

  test.each(["chats/failing", "a session"])(
    "%s: what was accepted is not said again because the look at it failed",
    async (at) => {
      const isChat = at !== "a session";
      if (isChat) await suite.served.daemon.post("/chats", { name: "failing", config: { agent: "counts" } });
      const id = isChat ? "" : await suite.served.create();
      const path = isChat ? `/${at}` : `/sessions/${id}`;
      let isFailing = false;
      const setUp = async (page: Page) => {
        await page.route(new RegExp(`${path}$`), (route) => (isFailing ? broken(route) : route.continue()));
        await page.route(new RegExp(`${path}/(?:messages|prompt)$`), async (route) => {
          const response = await route.fetch();
          isFailing = true;
          await route.fulfill({ response });
        });
      };
      const page = await enter(setUp, `#${path}`);
      await page.getByLabel("Prompt").fill("words=1 only once");
      await page.keyboard.press("Enter");
      await page.getByRole("alert").getByText("it broke").waitFor();
      expect(await page.getByLabel("Prompt").inputValue()).toBe("");
      isFailing = false;
      await page.getByRole("alert").waitFor({ state: "detached" });
      await feedOf(page).getByText("t1 · success").waitFor();
      expect(await feedOf(page).getByText("words=1 only once").count()).toBe(1);
      if (!isChat) await suite.served.daemon.delete(path);
    },
  );
});
