/** The turns of a session whose log is read back piece by piece: a turn's number leads to its place, wherever that came to be. */
import { expect, test } from "vitest";
import { describeConsole, feedOf, servePlain } from "../support/console-suite.ts";
import { eventually } from "../support/eventually.ts";
import { called, came, prompted, said } from "../support/story.ts";

const turns = 80;
/** All together more than is read without being asked for. */
const filler = "x".repeat(450_000);

function* story() {
  for (let turn = 1; turn <= turns; turn++) {
    const turn_id = `t${turn}`;
    yield prompted(turn_id, `prompt number ${turn}`);
    yield called(turn_id, `c${turn}`, { command: `echo ${turn}` });
    yield came(turn_id, `c${turn}`, filler);
    for (let line = 1; line <= 20; line++) yield said(turn_id, `${turn} ${line}`, `said ${line}`);
  }
}

const id = "55555555-0000-4000-8000-000000000001";

describeConsole("the turns of a long session", { serve: servePlain, ended: { [id]: story() } }, ({ open }) => {
  test("lead to their prompts, also those that were read while the conversation was not shown", async () => {
    const { page, complaints } = await open(`#/sessions/${id}`);
    const feed = feedOf(page);
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
