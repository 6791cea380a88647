/** What is done to a session in the console besides talking: prompts taken back, images sent along, a session stopped and deleted. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { ofType } from "../support/claude-daemon.ts";
import { describeConsole, feedOf, serveCounts } from "../support/console-suite.ts";
import { eventually } from "../support/eventually.ts";

const onePixel = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";

describeConsole("acts in the console", { serve: serveCounts }, (suite) => {
  const open = async (request: Record<string, unknown> = {}) => {
    const id = await suite.served.create(request);
    return { id, ...(await suite.open(`#/sessions/${id}`)) };
  };

  test("prompts that wait are listed, and taken back by a button or a key", async () => {
    const { id, page } = await open({ prompt: "steps=1 words=3000 pause=20" });
    await feedOf(page).getByText("#3 ").first().waitFor();
    const queue = page.getByRole("region", { name: "Queue", exact: true });
    for (const text of ["the second", "the third", "the fourth"]) {
      await page.getByLabel("Prompt").fill(`words=1 ${text}`);
      await page.keyboard.press("Enter");
      await queue.getByText(text).waitFor();
    }
    await queue.getByRole("button", { name: "Withdraw t3" }).click();
    await queue.getByText("the third").waitFor({ state: "detached" });
    await page.getByLabel("Prompt").press("Escape");
    await page.keyboard.press("w");
    await queue.getByText("the fourth").waitFor({ state: "detached" });
    await page.keyboard.press("i");
    await feedOf(page).getByText("t2 · success").waitFor();
    const ends = ofType(suite.served.events(id), "result").map(({ turn_id, status }) => [turn_id, status]);
    expect(Object.fromEntries(ends)).toEqual({ t1: "interrupted", t2: "success", t3: "withdrawn", t4: "withdrawn" });
    await suite.served.daemon.delete(`/sessions/${id}`);
  });

  test("images are chosen or pasted, taken away again, and sent with a prompt", async () => {
    const { id, page, complaints } = await open();
    // Asked for before anything else: the browser is told of it in its own time.
    const choosing = page.waitForEvent("filechooser");
    await page.getByRole("button", { name: "Image" }).waitFor();
    await page.evaluate("document.title");
    const attached = page.getByRole("list", { name: "Attached images" });
    const picture = (name: string) => ({ name, mimeType: "image/png", buffer: Buffer.from(onePixel, "base64") });
    await page.keyboard.press("u");
    await (await choosing).setFiles([picture("one.png"), picture("two.png")]);
    await attached.getByText("two.png").waitFor();
    await attached.getByRole("button", { name: "Remove one.png" }).click();
    await page
      .locator("input[type=file]")
      .setInputFiles({ name: "x.svg", mimeType: "image/svg+xml", buffer: Buffer.from("x") });
    await page.getByRole("alert").getByText("none of PNG, JPEG, GIF and WebP").waitFor();
    await page.getByLabel("Prompt").focus();
    await page.evaluate(`(() => {
      const bytes = Uint8Array.from(atob("${onePixel}"), (letter) => letter.charCodeAt(0));
      const clipboardData = new DataTransfer();
      clipboardData.items.add(new File([bytes], "pasted.png", { type: "image/png" }));
      document.activeElement.dispatchEvent(new ClipboardEvent("paste", { clipboardData, bubbles: true, cancelable: true }));
    })()`);
    await attached.getByText("pasted.png").waitFor();
    await page.getByLabel("Prompt").fill("words=1 look at these");
    await page.keyboard.press("Enter");
    await feedOf(page).getByText("image/png").nth(1).waitFor();
    expect(await attached.count()).toBe(0);
    const [said] = ofType(suite.served.events(id), "user_message");
    const images = said?.["images"] as { blob: string }[];
    expect(images).toHaveLength(2);
    for (const { blob } of images)
      expect(readFileSync(join(suite.served.dirOf(id), "blobs", blob)).toString("base64")).toBe(onePixel);
    expect(complaints).toEqual([]);
    await suite.served.daemon.delete(`/sessions/${id}`);
  });

  test("a session is deleted by keys once a question was answered, a running one and one that has ended", async () => {
    const { id, page } = await open({ name: "to-go" });
    await page.getByRole("heading", { name: "to-go" }).waitFor();
    await page.keyboard.press("X");
    const question = page.getByRole("dialog", { name: "Delete the session?" });
    await question.getByText("It is ended").waitFor();
    // What has the keyboard at first is no.
    await page.keyboard.press("Enter");
    await question.waitFor({ state: "detached" });
    expect((await suite.served.daemon.get(`/sessions/${id}`)).body.status).toBe("running");
    await page.keyboard.press("x");
    await page.getByRole("button", { name: "Stop it" }).press("Enter");
    await feedOf(page).getByText("The agent ended with").waitFor();
    await page.keyboard.press("X");
    await question.getByText("It goes off the list").waitFor();
    await page.keyboard.press("Tab");
    await page.keyboard.press("Enter");
    await page.getByRole("heading", { name: "Sessions" }).waitFor();
    await eventually(async () => (await suite.served.daemon.get(`/sessions/${id}`)).status === 404);

    const running = await open();
    await running.page.getByRole("button", { name: "Delete" }).click();
    await running.page.getByRole("button", { name: "Delete it" }).click();
    await running.page.getByRole("heading", { name: "Sessions" }).waitFor();
    expect((await suite.served.daemon.get(`/sessions/${running.id}`)).status).toBe(404);
  });
});
