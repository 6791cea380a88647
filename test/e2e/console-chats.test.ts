/** Chats in the console: made, spoken to, followed from session to session, read back page by page, deleted. */
import type { Page } from "playwright-core";
import { expect, test } from "vitest";
import { isTaken } from "../support/console.ts";
import { describeConsole, feedOf, serveCounts } from "../support/console-suite.ts";
import { eventually } from "../support/eventually.ts";

describeConsole("chats in the console", { serve: serveCounts }, (suite) => {
  const enter: typeof suite.open = (...view) => suite.open(...view);
  const say = async (page: Page, text: string) => {
    await page.getByLabel("Prompt").fill(text);
    await page.keyboard.press("Enter");
    await eventually(async () => (await page.getByLabel("Prompt").inputValue()) === "", {
      deadlineMs: 30_000,
      what: `the acceptance of ${text}`,
    });
  };
  const view = async (name: string) => (await suite.served.daemon.get(`/chats/${name}`)).body;
  const idle = (name: string) =>
    eventually(async () => (await view(name)).state === "idle" && (await view(name)), { deadlineMs: 30_000 });
  const make = async (name: string, config = {}) => {
    const { status, text } = await suite.served.daemon.post("/chats", { name, config: { agent: "counts", ...config } });
    expect(status, text).toBe(201);
  };
  const texts = (page: Page) => feedOf(page).locator(".said").allInnerTexts();

  test("one is made by keys, spoken to, and followed from each session to the next", { timeout: 90_000 }, async () => {
    // So high that all of it is in the page.
    const { page, complaints } = await enter("", { viewport: { width: 1280, height: 2000 } });
    await page.getByRole("link", { name: "Chats" }).click();
    await page.getByText("None yet.").waitFor();
    await page.keyboard.press("n");
    await page.keyboard.type("by-hand");
    await page.getByRole("combobox", { name: "Agent" }).selectOption("counts");
    await page.getByLabel("Name").press("Enter");
    await page.getByRole("heading", { name: "by-hand" }).waitFor();
    await page.getByText("Nothing yet.").waitFor();

    await say(page, "steps=1 words=120 pause=20 the first");
    // While it is written.
    await feedOf(page).getByText("#3 ").first().waitFor();
    // This one waits for the session of the first to end, and a third finds no room.
    await say(page, "steps=1 words=3 the second");
    await page.getByText("Waits for this turn to end: steps=1 words=3 the second").waitFor();
    await page.getByLabel("Prompt").fill("a third");
    await page.keyboard.press("Enter");
    await page.getByRole("alert").getByText("wait").waitFor();
    expect(await page.getByLabel("Prompt").inputValue()).toBe("a third");

    await feedOf(page).getByText("the second").waitFor();
    await page.getByText("Waits for this turn").waitFor({ state: "detached" });
    const { session_chain } = await idle("by-hand");
    expect(session_chain).toHaveLength(2);
    const endedTurns = (count: number) =>
      eventually(async () => (await feedOf(page).getByText("t1 · success").count()) === count, {
        deadlineMs: 30_000,
        what: `the end of ${count} turns`,
      });
    await endedTurns(2);
    await page.getByText("2 sessions").waitFor();
    await page.getByLabel("Prompt").fill("");
    await say(page, "words=1 the third");
    await endedTurns(3);
    const said = ["steps=1 words=120 pause=20 the first", "steps=1 words=3 the second", "words=1 the third"];
    expect(await texts(page)).toEqual(said);

    // What was followed, and what the history has, is the same.
    const rows = () => feedOf(page).getByRole("article").allInnerTexts();
    const followed = await rows();
    await page.reload();
    await eventually(async () => (await rows()).join() === followed.join(), { what: followed.join() });
    // Chromium says so of the refusal that was looked for.
    expect(complaints.filter((text) => !text.includes("429 (Too Many Requests)"))).toEqual([]);
  });

  test("a turn in it is interrupted, and what its agent asks is answered", async () => {
    await make("asks", { permission_mode: "interactive" });
    const { page } = await enter("#/chats/asks");
    await page.getByRole("heading", { name: "asks" }).waitFor();
    await say(page, "steps=1 words=1 ask=1");
    const asks = page.getByRole("region", { name: "The agent asks" });
    await asks.getByText("true 2").waitFor();
    // Also by who comes later.
    await page.reload();
    await asks.getByText("true 2").waitFor();
    await isTaken(asks);
    await page.keyboard.press("a");
    await asks.waitFor({ state: "detached" });
    await feedOf(page).getByText("t1 · success").waitFor();
    await idle("asks");
    // What was asked and answered stands there, also for who comes when its session is gone.
    await feedOf(page).getByText("approved by client").waitFor();
    const rows = () => feedOf(page).getByRole("article").allInnerTexts();
    const followed = await rows();
    await page.reload();
    await eventually(async () => (await rows()).join() === followed.join(), { what: followed.join() });
    const question = feedOf(page).getByRole("article").filter({ hasText: "approved by client" });
    await question.locator("code").getByText("true 2").waitFor();
    await say(page, "steps=1 words=2000 pause=20");
    await feedOf(page).getByText("#30 ").waitFor();
    await page.keyboard.press("Escape");
    await page.keyboard.press("i");
    await feedOf(page).getByText("t1 · interrupted").waitFor();
  });

  test("an old one is read back page by page as one scrolls up, and its texts are read again", {
    timeout: 90_000,
  }, async () => {
    const at = new Date(0).toISOString();
    const head = { type: "chat", version: 1, name: "old", config: { agent: "counts" }, created_at: at };
    const messages = Array.from({ length: 1500 }, (_, offset) => ({
      session_id: "elsewhere",
      type: "user_message",
      data: { turn_id: `t${offset}`, kind: "prompt", text: `message ${offset}` },
      offset,
      timestamp: at,
    }));
    const lines = [head, ...messages].map((line) => `${JSON.stringify(line)}\n`).join("");
    const imported = await suite.served.daemon.post("/chats/import", { export: lines });
    expect(imported.status, imported.text).toBe(201);
    const { page, asked } = await enter("#/chats/old");
    await feedOf(page).getByText("message 1499", { exact: true }).waitFor();
    const pages = () => asked.filter((url) => url.includes("/chats/old/messages") && url.includes("before="));
    expect(pages()).toHaveLength(0);
    const rowCount = async () => Number(await feedOf(page).getByRole("article").last().getAttribute("aria-setsize"));
    expect(await rowCount()).toBe(200);
    for (let read = 200; read < 1500; read = await rowCount()) {
      await page.keyboard.press("g");
      await eventually(async () => (await rowCount()) > read);
    }
    expect(pages().length).toBeGreaterThanOrEqual(7);
    await page.keyboard.press("g");
    await feedOf(page).getByText("message 0", { exact: true }).waitFor();
    const rows = await feedOf(page).getByRole("article").allInnerTexts();
    expect(rows.slice(0, 3).map((row) => row.split("\n").at(-1))).toEqual(["message 0", "message 1", "message 2"]);
    expect(await rowCount()).toBe(1500);
    expect(await feedOf(page).getByRole("article").count()).toBeLessThan(120);
  });

  test("it is deleted once a question was answered, and whoever may only read is refused", async () => {
    await make("going");
    const reader = (await suite.served.daemon.post("/tokens", { name: "chat-reader", scope: "read" })).body.token;
    const { page: mayRead } = await enter("#/chats/going", { token: reader });
    await mayRead.getByLabel("Prompt").fill("words=1");
    await mayRead.keyboard.press("Enter");
    await mayRead.getByRole("alert").getByText('"write" is needed').waitFor();
    expect(await mayRead.getByLabel("Prompt").inputValue()).toBe("words=1");

    const { page } = await enter("#/chats/going");
    await page.getByRole("button", { name: "Delete" }).waitFor();
    await page.keyboard.press("X");
    const question = page.getByRole("dialog", { name: "Delete the chat going?" });
    // What does no harm is under the first key, and the box that adds to the harm is not.
    await question.getByRole("button", { name: "Cancel" }).and(page.locator(":focus")).waitFor();
    await page.keyboard.press("Enter");
    await question.waitFor({ state: "detached" });
    await page.keyboard.press("X");
    await question.waitFor();
    await page.keyboard.press("Escape");
    await question.waitFor({ state: "detached" });
    expect((await suite.served.daemon.get("/chats/going")).status).toBe(200);
    await page.getByRole("button", { name: "Delete" }).click();
    await question.getByRole("button", { name: "Delete it" }).click();
    await page.getByRole("heading", { name: "Chats", exact: true }).waitFor();
    expect((await suite.served.daemon.get("/chats/going")).status).toBe(404);
    // Whoever still has it open is told.
    await mayRead.getByRole("alert").getByText("going").waitFor();
  });
});
