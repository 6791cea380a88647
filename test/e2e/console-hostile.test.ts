/** What agents say is text: in the console it becomes no element, no request and no link but those that people can read. */
import { expect, test } from "vitest";
import { describeConsole, feedOf, servePlain } from "../support/console-suite.ts";
import { called, came, ended, prompted, said } from "../support/story.ts";

const markup = '<img src=x onerror="window.hit=1"><script>window.hit=1</script><svg onload="window.hit=1">';
const turn_id = "t1";
let messages = 0;
const says = (text: string) => said(turn_id, `m${messages++}`, text);
const usage = { input_tokens: 1200, output_tokens: 34, cache_read_input_tokens: 0, cache_creation_input_tokens: 0 };
const result = ended(turn_id, { cost_usd: 0.0123, duration_ms: 1500, usage });

/** Each keeps the grammar of Markdown busy for seconds, or takes it down until its stack ends. */
const slow = ["_a", "a*b_", "**a", "> ", "1. ", "http://a.b/("].map((text) => text.repeat(60_000 / text.length));

const story = [
  prompted(turn_id, markup),
  says(markup),
  says(`# Title\n\n- one\n- **two**\n\n| a | b |\n|---|---|\n| ${markup} | 2 |\n\n\`\`\`html\n${markup}\n\`\`\``),
  says("[the bank](https://evil.example/login) [run](javascript:window.hit=1) [data](data:text/html,x)"),
  says("![a picture](https://evil.example/pixel.png) <https://plain.example/>"),
  says("safe\u202etxt.exe \u200bend"),
  called(turn_id, "c1", { command: `echo \u202ehidden ${markup}` }, { name: markup }),
  came(turn_id, "c1", `\u001b[31mred\u001b[0m \u001b]8;;https://evil.example\u0007link\u001b]8;;\u0007 ${markup}`, {
    name: markup,
    is_error: true,
  }),
  called(
    turn_id,
    "c2",
    { file_path: "/src/a.ts", old_string: "one\ntwo\nthree\n", new_string: "one\nTWO\nthree\n" },
    { name: "Edit", kind: "edit" },
  ),
  came(turn_id, "c2", "ok", { name: "Edit" }),
  { type: "system", data: { subtype: "notice", message: markup } },
  { type: "error", data: { code: "agent_failed", message: markup, retryable: false } },
  result,
];

const id = "22222222-0000-4000-8000-000000000000";
const slowId = "66666666-0000-4000-8000-000000000000";
const stories = { [id]: story, [slowId]: [prompted(turn_id, "be slow"), ...slow.map(says), result] };

describeConsole("in the console", { serve: servePlain, ended: stories }, (suite) => {
  const open = async (of = id) => {
    const opened = await suite.open(`#/sessions/${of}`);
    const feed = feedOf(opened.page);
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
    expect(asked.filter((url) => !url.startsWith(`${suite.served.daemon.url}/`))).toEqual([]);
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
