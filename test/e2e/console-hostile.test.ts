/** What agents say is text: in the console it becomes no element, no request and no link but those that people can read. */
import { mkdtempSync, realpathSync } from "node:fs";
import { rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { browserPath } from "../support/browser.ts";
import { openBrowser, openConsole } from "../support/console.ts";
import { putEndedSession } from "../support/ended-session.ts";
import { type Daemon, startDaemon } from "../support/start-daemon.ts";

const markup = '<img src=x onerror="window.hit=1"><script>window.hit=1</script><svg onload="window.hit=1">';
const usage = { input_tokens: 1200, output_tokens: 34, cache_read_input_tokens: 0, cache_creation_input_tokens: 0 };
const turn_id = "t1";
let messages = 0;
const says = (text: string) => ({
  type: "agent_message",
  data: { turn_id, item_id: `m${messages++}`, text, delta: false },
});
const calls = (id: string, name: string, kind: string, input: unknown) => ({
  type: "tool_use",
  data: { turn_id, id, name, kind, input },
});
const came = (id: string, name: string, output: string, isError = false) => ({
  type: "tool_result",
  data: { turn_id, id, name, output, is_error: isError, duration_ms: 5 },
});

const result = {
  type: "result",
  data: { turn_id, session_id: "x", status: "success", cost_usd: 0.0123, duration_ms: 1500, num_turns: 1, usage },
};

/** Each keeps the grammar of Markdown busy for seconds, or takes it down until its stack ends. */
const slow = ["_a", "a*b_", "**a", "> ", "1. ", "http://a.b/("].map((text) => text.repeat(60_000 / text.length));

const story = [
  { type: "user_message", data: { turn_id, kind: "prompt", text: markup } },
  says(markup),
  says(`# Title\n\n- one\n- **two**\n\n| a | b |\n|---|---|\n| ${markup} | 2 |\n\n\`\`\`html\n${markup}\n\`\`\``),
  says("[the bank](https://evil.example/login) [run](javascript:window.hit=1) [data](data:text/html,x)"),
  says("![a picture](https://evil.example/pixel.png) <https://plain.example/>"),
  says("safe\u202etxt.exe \u200bend"),
  calls("c1", markup, "execute", { command: `echo \u202ehidden ${markup}` }),
  came("c1", markup, `\u001b[31mred\u001b[0m \u001b]8;;https://evil.example\u0007link\u001b]8;;\u0007 ${markup}`, true),
  calls("c2", "Edit", "edit", {
    file_path: "/src/a.ts",
    old_string: "one\ntwo\nthree\n",
    new_string: "one\nTWO\nthree\n",
  }),
  came("c2", "Edit", "ok"),
  { type: "system", data: { subtype: "notice", message: markup } },
  { type: "error", data: { code: "agent_failed", message: markup, retryable: false } },
  result,
];

describe.skipIf(browserPath === undefined)("in the console", () => {
  const dir = realpathSync(mkdtempSync(join(tmpdir(), "agentd-test-")));
  const id = "22222222-0000-4000-8000-000000000000";
  const slowId = "66666666-0000-4000-8000-000000000000";
  let daemon: Daemon;
  let browser: Browser;
  beforeAll(async () => {
    putEndedSession(join(dir, "data"), id, story);
    const prompt = { type: "user_message", data: { turn_id, kind: "prompt", text: "be slow" } };
    putEndedSession(join(dir, "data"), slowId, [prompt, ...slow.map(says), result]);
    [daemon, browser] = await Promise.all([startDaemon({ dataDir: join(dir, "data") }), openBrowser()]);
  });
  afterAll(async () => {
    await browser?.close();
    await daemon?.stop();
    await rm(dir, { recursive: true });
  });

  const open = async (of = id) => {
    const opened = await openConsole(browser, daemon, { at: `#/sessions/${of}` });
    const feed = opened.page.getByRole("feed", { name: "Conversation" });
    await feed.getByText("t1 · success").waitFor();
    return { ...opened, feed };
  };

  test("markup of an agent, a person or a tool stands there as it was written, and nothing of it runs or loads", async () => {
    const { page, feed, asked, complaints } = await open();
    await page.keyboard.press("g");
    await feed.getByRole("button", { name: /window\.hit/ }).click();
    const text = await feed.innerText();
    expect(text.split(markup).length - 1).toBeGreaterThanOrEqual(6);
    expect(await feed.locator("img, script, svg, iframe, form, style, object, embed").count()).toBe(0);
    expect(await page.evaluate("window.hit")).toBeUndefined();
    expect(asked.filter((url) => !url.startsWith(`${daemon.url}/`))).toEqual([]);
    expect(complaints).toEqual([]);
  });

  test("a link leads to a web page only, is on its own, and says where it leads", async () => {
    const { feed } = await open();
    const links = await feed
      .getByRole("link")
      .evaluateAll((all) =>
        all.map((link) => [link.getAttribute("href"), link.getAttribute("target"), link.getAttribute("rel")]),
      );
    expect(links).toEqual(
      ["https://evil.example/login", "https://evil.example/pixel.png", "https://plain.example/"].map((href) => [
        href,
        "_blank",
        "noopener noreferrer nofollow",
      ]),
    );
    const text = await feed.innerText();
    expect(text).toContain("the bank (https://evil.example/login)");
    expect(text).toContain("run (javascript:window.hit=1)");
    expect(text).toContain("a picture (https://evil.example/pixel.png)");
  });

  test("what would hide or reorder text is written out, and a terminal's colours are dropped", async () => {
    const { page, feed } = await open();
    await page.keyboard.press("g");
    await feed.getByRole("button", { name: /window\.hit/ }).click();
    const text = await feed.innerText();
    expect(text).toContain("safe‹U+202E›txt.exe ‹U+200B›end");
    expect(text).toContain("echo ‹U+202E›hidden");
    expect(text).toContain("red link <img");
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not be there
    expect(text).not.toMatch(/[\u0000-\u0008\u001b\u200b\u202e]/);
  });

  test("markdown becomes headings, lists, tables and code; an edit becomes a diff; a turn says what it cost", async () => {
    const { page, feed } = await open();
    await page.keyboard.press("g");
    expect(await feed.getByRole("listitem").allInnerTexts()).toEqual(["one", "two"]);
    expect(await feed.locator("strong").filter({ hasText: "two" }).count()).toBe(1);
    expect(await feed.getByRole("table").count()).toBe(1);
    expect(await feed.locator("pre code").innerText()).toContain(markup);
    await feed.getByRole("button", { name: /Edit/ }).click();
    expect(await feed.locator(".diff .added").allInnerTexts()).toEqual(["+ TWO"]);
    expect(await feed.locator(".diff .removed").allInnerTexts()).toEqual(["- two"]);
    await feed.getByText("1,200 tokens in · 34 out · $0.01").waitFor();
  });

  test("what is made to keep a page busy is shown as text, and the page goes on", async () => {
    const { page, feed } = await open(slowId);
    await page.keyboard.press("g");
    await feed.getByText("be slow").waitFor();
    await feed.getByText("_a_a_a_a").waitFor();
  });
});
