/** The real Claude Code asks, and somebody answers in the console: a question with choices, a plan, an edit. */
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { browserPath } from "../support/browser.ts";
import { type ClaudeDaemon, hasResults, ofType, startClaudeDaemon } from "../support/claude-daemon.ts";
import { isTaken, openBrowser, openConsole } from "../support/console.ts";

const question = {
  questions: [
    {
      question: "Which colour?",
      header: "Colour",
      options: [
        { label: "Red", description: "Warm" },
        { label: "Blue", description: "Cold" },
      ],
      multiSelect: false,
    },
  ],
};

describe.skipIf(browserPath === undefined)("in the console", () => {
  let claude: ClaudeDaemon;
  let browser: Browser;
  beforeAll(async () => {
    [claude, browser] = await Promise.all([startClaudeDaemon(), openBrowser()]);
  });
  afterAll(async () => {
    await browser?.close();
    await claude?.stop();
  });

  const asked = async (prompt: string) => {
    const id = await claude.create({ interactive: true, permission_mode: "interactive", prompt });
    onTestFinished(async () => {
      await claude.daemon.delete(`/sessions/${id}`);
    });
    const { page } = await openConsole(browser, claude.daemon, { at: `#/sessions/${id}` });
    return { id, page, asks: page.getByRole("region", { name: "The agent asks" }) };
  };

  test("a question is answered by a choice, and the agent hears which", async () => {
    const { id, asks } = await asked(`[[call:AskUserQuestion ${JSON.stringify(question)}]]`);
    await asks.getByRole("group", { name: "Which colour?" }).waitFor();
    await asks.getByLabel("Blue Cold").check();
    await asks.getByRole("button", { name: "Answer" }).click();
    const events = await claude.log(id, hasResults(1));
    expect(ofType(events, "tool_result")[0]?.["output"]).toContain("Blue");
    await asks.waitFor({ state: "detached" });
  });

  test("code that a terminal's escape would hide is read by whoever is to approve it", async () => {
    const file = { file_path: "/tmp/hidden.ts", content: "f() {/*\x1b]*/evil()/*\x07*/ return 1;\n" };
    const { asks, page } = await asked(`[[call:Write ${JSON.stringify(file)}]]`);
    await asks.locator(".diff .added").getByText("+ f() {/*‹U+001B›]*/evil()/*‹U+0007›*/ return 1;").waitFor();
    await isTaken(asks);
    await page.keyboard.press("d");
    await asks.waitFor({ state: "detached" });
  });

  test("each change of a file is asked for as a diff, and answered by a key or a button", async () => {
    const { id, page, asks } = await asked("[[edit]]");
    await asks.locator(".diff .added").getByText("+ two").waitFor();
    expect(await asks.locator(".diff figcaption").innerText()).toMatch(/notes\.txt$/);
    await isTaken(asks);
    await page.keyboard.press("s");
    await asks.locator(".diff .removed").getByText("- two").waitFor();
    await asks.getByRole("button", { name: "Approve" }).click();
    const events = await claude.log(id, hasResults(1));
    expect(ofType(events, "input_resolved").map(({ decision }) => decision)).toEqual([
      "approve_session",
      "approve_once",
    ]);
    await page.getByRole("feed", { name: "Conversation" }).getByText("The file is edited.").waitFor();
  });
});
