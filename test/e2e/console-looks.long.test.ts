/**
 * How the console looks, wide and on a phone, light and dark: nothing that axe finds fault with on any view, and nothing wider
 * than the screen. AGENTRUNTIME_SCREENSHOTS=FOLDER keeps a picture of each.
 */
import { mkdtempSync, realpathSync, writeFileSync } from "node:fs";
import { rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import axe, { type AxeResults } from "axe-core";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { browserPath } from "../support/browser.ts";
import { results } from "../support/claude-daemon.ts";
import { load, logIn, openBrowser, openConsole } from "../support/console.ts";
import { type CountsDaemon, startCountsDaemon } from "../support/counts-daemon.ts";
import { putEndedSession } from "../support/ended-session.ts";

const usage = {
  input_tokens: 5200,
  output_tokens: 840,
  cache_read_input_tokens: 18_000,
  cache_creation_input_tokens: 0,
};
const refused = { reason: "name", verdict: "denied" };
const endedId = "44444444-0000-4000-8000-000000000000";
const busyId = "66666666-0000-4000-8000-000000000000";
const liveId = "55555555-0000-4000-8000-000000000000";

const denials = [
  { session_id: endedId, at: Date.UTC(2026, 0, 1), host: "pixel.example", port: 443, ...refused, repeated: 3 },
  {
    session_id: liveId,
    at: Date.UTC(2026, 0, 2),
    host: "other.example",
    port: 8443,
    reason: "port",
    verdict: "audited",
  },
];

function* story() {
  for (const [at, text] of ["Why does the build fail?", "Then mend it, please", "And say so in the log"].entries()) {
    const turn_id = `t${at + 1}`;
    const path = "src/server/listen.ts";
    yield { type: "user_message", data: { turn_id, kind: "prompt", text } };
    yield {
      type: "agent_message",
      data: {
        ...{ turn_id, item_id: `m${at}`, delta: false },
        text: `## What I found\n\nThe port is read as **text**. See [the manual](https://nodejs.org/api/net.html):\n\n1. \`listen("8090")\` takes a path\n2. the test never ran\n\n| File | Line |\n|---|---|\n| ${path} | 42 |\n\n\`\`\`ts\nserver.listen(Number(port));\n\`\`\``,
      },
    };
    yield {
      type: "tool_use",
      data: {
        ...{ turn_id, id: `c${at}`, name: "Edit", kind: "edit" },
        input: {
          file_path: path,
          old_string: "const port = env.PORT;\nserver.listen(port);\n",
          new_string: "const port = Number(env.PORT);\nserver.listen(port);\n",
        },
      },
    };
    yield {
      type: "tool_result",
      data: { turn_id, id: `c${at}`, name: "Edit", output: "ok", is_error: false, duration_ms: 12 },
    };
    yield {
      type: "tool_use",
      data: {
        turn_id,
        id: `d${at}`,
        name: "Bash",
        kind: "execute",
        input: { command: "npm test -- --run src/server" },
      },
    };
    yield {
      type: "tool_result",
      data: { turn_id, id: `d${at}`, name: "Bash", output: "1 failed", is_error: at === 1, duration_ms: 4200 },
    };
    if (at === 2)
      yield { type: "error", data: { code: "agent_failed", message: "The model is overloaded", retryable: true } };
    yield {
      type: "result",
      data: {
        turn_id,
        session_id: "x",
        status: at === 1 ? "interrupted" : "success",
        cost_usd: 0.04 * (at + 1),
        duration_ms: 1000,
        num_turns: 1,
        usage,
      },
    };
  }
}

describe.skipIf(browserPath === undefined)("the console looks well and reads well", () => {
  const dir = realpathSync(mkdtempSync(join(tmpdir(), "agentd-test-")));
  let counts: CountsDaemon;
  let browser: Browser;
  beforeAll(async () => {
    const dataDir = join(dir, "data");
    putEndedSession(dataDir, endedId, story());
    writeFileSync(join(dataDir, "egress.ndjson"), denials.map((denial) => `${JSON.stringify(denial)}\n`).join(""));
    [counts, browser] = await Promise.all([startCountsDaemon({ dataDir }), openBrowser()]);
    const spent = await counts.create({ name: "mend-the-build", prompt: "steps=1 words=3 pause=0" });
    await counts.until(spent, (events) => results(events).length === 1);
    await counts.daemon.post("/chats", { name: "review", config: { agent: "counts" } });
    await counts.daemon.post("/chats/review/messages", { message: "steps=2 words=30 pause=0 Look at the last commit" });
    const { status } = await counts.daemon.post("/chats", { name: "not-begun", config: { agent: "counts" } });
    expect(status).toBe(201);
    const busy = await counts.create({ session_id: busyId, name: "busy", prompt: "steps=1 words=100000 pause=1000" });
    for (const text of ["Then write a test that fails without it", "And tell me what it cost"])
      await counts.daemon.post(`/sessions/${busy}/prompt`, { text });
    await counts.create({
      session_id: liveId,
      name: "tidy-up",
      permission_mode: "interactive",
      prompt: "steps=1 words=60 pause=0 ask=1",
    });
  });
  afterAll(async () => {
    await browser?.close();
    await counts?.stop();
    await rm(dir, { recursive: true });
  });

  /** Name, address, and what is done and waited for before it is looked at. */
  const views: readonly [name: string, at: string, ready: (page: Page) => Promise<void>][] = [
    ["sessions", "", (page) => page.getByText("1 to answer").waitFor()],
    [
      "conversation",
      `#/sessions/${endedId}`,
      async (page) => {
        await page.getByText("t3 · success").waitFor();
        // One: what opens may push another out of what is drawn.
        await page.getByRole("button", { name: /Edit/ }).last().click();
      },
    ],
    ["question", `#/sessions/${liveId}`, (page) => page.getByRole("region", { name: "The agent asks" }).waitFor()],
    [
      "turns",
      `#/sessions/${endedId}`,
      async (page) => {
        await page.getByRole("tab", { name: "Turns" }).click();
        const row = page.getByRole("row", { name: /t3 And say so/ });
        await row.getByText("success").waitFor();
        await row.getByText("23.2K in, 840 out").waitFor();
        await row.getByText("$0.12").waitFor();
        await page.getByRole("row", { name: /t2/ }).getByText("interrupted").waitFor();
        await page.getByRole("img", { name: /3 turns/ }).waitFor();
      },
    ],
    [
      "network",
      `#/sessions/${endedId}`,
      async (page) => {
        await page.getByRole("tab", { name: "Network" }).click();
        await page.getByText("pixel.example:443").waitFor();
        expect(await page.getByText("other.example:8443").count()).toBe(0);
      },
    ],
    [
      "queue",
      `#/sessions/${busyId}`,
      async (page) => {
        await page.getByText("And tell me what it cost").waitFor();
        await page.locator("input[type=file]").setInputFiles({
          name: "screen.png",
          mimeType: "image/png",
          buffer: Buffer.from("x"),
        });
        await page.getByText("screen.png").waitFor();
      },
    ],
    [
      "delete",
      `#/sessions/${busyId}`,
      async (page) => {
        await page.getByText("And tell me what it cost").waitFor();
        await page.keyboard.press("X");
        await page.getByRole("dialog").waitFor();
      },
    ],
    ["chats", "#/chats", (page) => page.getByText("review").waitFor()],
    [
      "chat",
      "#/chats/review",
      async (page) => {
        await page.getByText("t1 · success").waitFor();
        await page.getByText("idle").waitFor();
      },
    ],
    ["new", "#/new", (page) => page.getByRole("option", { name: "counts" }).waitFor({ state: "attached" })],
    [
      "figures",
      "#/figures",
      async (page) => {
        await page.getByText("pixel.example:443").waitFor();
        await page.getByText("other.example:8443").waitFor();
        await page
          .getByRole("img", { name: /Live sessions: now 3, 2 busy/ })
          .locator("polyline")
          .waitFor({ state: "attached" });
        await page.getByRole("img", { name: /Events a second/ }).waitFor();
        await page.getByRole("row", { name: /^counts \$0\.00\d\d$/ }).waitFor();
        await page.getByRole("row", { name: /^counts \d+$/ }).waitFor();
      },
    ],
    [
      "help",
      "",
      async (page) => {
        await page.getByRole("heading", { name: "Sessions" }).waitFor();
        await page.keyboard.press("?");
        await page.getByRole("dialog").waitFor();
      },
    ],
  ];
  const screens = [
    { screen: "wide", viewport: { width: 1280, height: 800 } },
    { screen: "phone", viewport: { width: 390, height: 844 } },
  ];
  const looks = screens.flatMap((screen) =>
    (["light", "dark"] as const).map((colorScheme) => ({ ...screen, colorScheme })),
  );

  describe.each(looks)("$screen, $colorScheme", ({ screen, viewport, colorScheme }) => {
    const faultsOf = async (page: Page, name: string) => {
      const folder = process.env["AGENTRUNTIME_SCREENSHOTS"];
      if (folder) await page.screenshot({ path: join(folder, `${name}-${screen}-${colorScheme}.png`) });
      await page.evaluate(axe.source);
      const { violations } = (await page.evaluate("axe.run()")) as AxeResults;
      const isTooWide = "document.documentElement.scrollWidth > document.documentElement.clientWidth";
      return [
        ...violations.map(({ id, nodes }) => `${name}: ${id}: ${nodes.map(({ html }) => html).join(" ")}`),
        ...((await page.evaluate(isTooWide)) ? [`${name}: wider than the screen`] : []),
      ];
    };

    test("no fault in any view", { timeout: 180_000 }, async () => {
      const { page, complaints } = await openConsole(browser, counts.daemon, { token: "wrong", viewport, colorScheme });
      await page.getByRole("alert").waitFor();
      const faults = await faultsOf(page, "login");
      await logIn(page, counts.daemon.token);
      // A page that is left at once has not kept the token.
      await page.getByRole("heading", { name: "Sessions" }).waitFor();
      for (const [name, at, ready] of views) {
        await load(page, `${counts.daemon.url}/${at}`);
        await ready(page);
        faults.push(...(await faultsOf(page, name)));
      }
      expect([...faults, ...complaints]).toEqual([]);
    });
  });
});
