/** The real Claude Code asks, and somebody answers in the console: a question with choices, a plan, an edit. */
import { expect, onTestFinished, test } from "vitest";
import { hasResults, ofType, startClaudeDaemon } from "../support/claude-daemon.ts";
import { isTaken } from "../support/console.ts";
import { describeConsole, feedOf } from "../support/console-suite.ts";

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

describeConsole("in the console", { serve: (dataDir) => startClaudeDaemon({ dataDir }) }, (suite) => {
  const asked = async (prompt: string) => {
    const id = await suite.served.create({ interactive: true, permission_mode: "interactive", prompt });
    onTestFinished(async () => {
      await suite.served.daemon.delete(`/sessions/${id}`);
    });
    const { page } = await suite.open(`#/sessions/${id}`);
    return { id, page, asks: page.getByRole("region", { name: "The agent asks" }) };
  };

  test("a question is answered by a choice, and the agent hears which", async () => {
    const { id, page, asks } = await asked(`[[call:AskUserQuestion ${JSON.stringify(question)}]]`);
    await asks.getByRole("group", { name: "Which colour?" }).waitFor();
    await asks.getByLabel("Blue Cold").check();
    await asks.getByRole("button", { name: "Answer" }).click();
    const events = await suite.served.log(id, hasResults(1));
    expect(ofType(events, "tool_result")[0]?.["output"]).toContain("Blue");
    await asks.waitFor({ state: "detached" });
    const told = feedOf(page).getByRole("article").filter({ hasText: "answered by client" });
    await told.getByText("Which colour?").waitFor();
    await told.getByRole("definition").getByText("Blue", { exact: true }).waitFor();
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
    const events = await suite.served.log(id, hasResults(1));
    expect(ofType(events, "input_resolved").map(({ decision }) => decision)).toEqual([
      "approve_session",
      "approve_once",
    ]);
    await feedOf(page).getByText("The file is edited.").waitFor();
  });
});
