/**
 * How the console looks, wide and on a phone, light and dark: nothing that axe finds fault with on any view, and nothing wider
 * than the screen. AGENTRUNTIME_SCREENSHOTS=FOLDER keeps a picture of each.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import axe, { type AxeResults } from "axe-core";
import type { Page } from "playwright-core";
import { beforeAll, describe, expect, test } from "vitest";
import { results } from "../support/claude-daemon.ts";
import { load, logIn } from "../support/console.ts";
import { describeConsole, feedOf, serveCounts } from "../support/console-suite.ts";
import { answered, asked, called, came, ended, failed, prompted, said } from "../support/story.ts";

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
const farId = "77777777-0000-4000-8000-000000000000";
const farItems = 30_000;

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
    yield prompted(turn_id, text);
    yield said(
      turn_id,
      `m${at}`,
      `## What I found\n\nThe port is read as **text**. See [the manual](https://nodejs.org/api/net.html):\n\n1. \`listen("8090")\` takes a path\n2. the test never ran\n\n| File | Line |\n|---|---|\n| ${path} | 42 |\n\n\`\`\`ts\nserver.listen(Number(port));\n\`\`\``,
    );
    const edit = {
      file_path: path,
      old_string: "const port = env.PORT;\nserver.listen(port);\n",
      new_string: "const port = Number(env.PORT);\nserver.listen(port);\n",
    };
    yield called(turn_id, `c${at}`, edit, { name: "Edit", kind: "edit" });
    yield came(turn_id, `c${at}`, "ok", { name: "Edit", duration_ms: 12 });
    if (at === 0) yield* questions(turn_id);
    yield called(turn_id, `d${at}`, { command: "npm test -- --run src/server" });
    yield came(turn_id, `d${at}`, "1 failed", { is_error: at === 1, duration_ms: 4200 });
    if (at === 2) yield failed("The model is overloaded");
    yield ended(turn_id, {
      ...{ status: at === 1 ? "interrupted" : "success", cost_usd: 0.04 * (at + 1), duration_ms: 1000, usage },
    });
  }
}

/** One for permission, and one with two parts of which one has choices. */
function* questions(turn_id: string) {
  const tool = { id: "d0", name: "Bash", kind: "execute", input: { command: "npm test -- --run src/server" } };
  yield asked(turn_id, "p1", "Bash: Runs the tests of the server", { tool });
  yield answered("p1", "approve_session");
  yield asked(turn_id, "q1", "Which port?", {
    kind: "question",
    questions: [
      { id: "q1.1", text: "Which port shall it listen on?", multiple: false, free_text: false },
      { id: "q1.2", text: "Who else has to know of it?", multiple: false, free_text: true },
    ],
    options: [{ id: "q1.1.1", label: "8090, as before", question: "q1.1" }],
  });
  yield answered("q1", "approve_once", { answers: { "q1.1": "q1.1.1", "q1.2": ["the people who run the proxy"] } });
}

/**
 * The console as it is, but that it shows 20,000 items of a session instead of a million, which would take it minutes to read: what
 * stands further up than that is looked at.
 */
async function showFewer(page: Page): Promise<() => Promise<void>> {
  const scripts = /\/assets\/.*\.js$/;
  await page.route(scripts, async (route) => {
    const response = await route.fetch();
    const parts = (await response.text()).split(/(?<=\b33554432,\w+=)1e6\b/);
    expect(parts).toHaveLength(2);
    await route.fulfill({ response, body: parts.join("20_000") });
  });
  await load(page, page.url());
  return () => page.unroute(scripts);
}

/** With something to look for at its very beginning. */
function* farStory() {
  yield prompted("t1", "Look for the needle in what comes now");
  for (let at = 0; at < farItems; at++) yield { type: "system", data: { subtype: "note", text: `${at}` } };
}

/** With what a proxy refused. */
function serve(dataDir: string) {
  mkdirSync(dataDir, { recursive: true });
  writeFileSync(join(dataDir, "egress.ndjson"), denials.map((denial) => `${JSON.stringify(denial)}\n`).join(""));
  return serveCounts(dataDir);
}

describeConsole(
  "the console looks well and reads well",
  { serve, ended: { [endedId]: story(), [farId]: farStory() } },
  (suite) => {
    beforeAll(async () => {
      const counts = suite.served;
      const spent = await counts.create({ name: "mend-the-build", prompt: "steps=1 words=3 pause=0" });
      await counts.until(spent, (events) => results(events).length === 1);
      await counts.daemon.post("/chats", { name: "review", config: { agent: "counts" } });
      await counts.daemon.post("/chats/review/messages", {
        message: "steps=2 words=30 pause=0 Look at the last commit",
      });
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
    const queueOf = (page: Page) => page.getByRole("region", { name: "Queue" });
    const search = async (page: Page, words: string) => {
      // Before that what is read of it grows, and a search has nothing to say.
      await feedOf(page).getByText("The agent ended with").waitFor();
      await page.getByLabel("Search in this session").fill(words);
      await page.keyboard.press("Enter");
    };
    /** Name, address, and what is done and waited for before it is looked at; it may give what is to be done behind that. */
    const views: readonly [name: string, at: string, ready: (page: Page) => Promise<void | (() => Promise<void>)>][] = [
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
      [
        "answered",
        `#/sessions/${endedId}`,
        async (page) => {
          await page.getByLabel("Search in this session").fill("people who run the proxy");
          await page.keyboard.press("Enter");
          await page.getByText("8090, as before").waitFor();
          await page.getByText("approved for this session by client").waitFor();
          await page.getByText("answered by client").waitFor();
        },
      ],
      [
        "searching",
        `#/sessions/${farId}`,
        async (page) => {
          const beginning = /\/log$/;
          await page.route(beginning, async (route) => {
            const from = Number(/bytes=(\d+)-/.exec(route.request().headers()["range"] ?? "")?.[1]);
            // Never answered: the search is under way for as long as it is looked at.
            if (from >= 1_000_000) await route.continue();
          });
          await search(page, "the needle");
          await page.getByRole("progressbar", { name: "How much was searched" }).waitFor();
          await page.getByRole("button", { name: "Stop search" }).waitFor();
          return () => page.unroute(beginning);
        },
      ],
      [
        "too-far-up",
        `#/sessions/${farId}`,
        async (page) => {
          const after = await showFewer(page);
          await search(page, "the needle");
          await page.getByText(/too far up to be shown with all that follows: .*needle/).waitFor();
          return after;
        },
      ],
      [
        "question",
        `#/sessions/${liveId}`,
        async (page) => {
          await page.getByRole("region", { name: "The agent asks" }).waitFor();
          await feedOf(page).getByText("open", { exact: true }).waitFor();
        },
      ],
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
          await queueOf(page).getByText("And tell me what it cost").waitFor();
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
          await queueOf(page).getByText("And tell me what it cost").waitFor();
          await page.keyboard.press("X");
          await page.getByRole("dialog").waitFor();
        },
      ],
      [
        "stop",
        `#/sessions/${busyId}`,
        async (page) => {
          await queueOf(page).getByText("And tell me what it cost").waitFor();
          await page.keyboard.press("x");
          await page.getByRole("dialog", { name: "Stop the session?" }).waitFor();
        },
      ],
      [
        "chat-delete",
        "#/chats/review",
        async (page) => {
          await page.getByText("t1 · success").waitFor();
          await page.keyboard.press("X");
          await page.getByRole("dialog", { name: "Delete the chat review?" }).waitFor();
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
      ["chat-not-begun", "#/chats/not-begun", (page) => page.getByText("Nothing yet.").waitFor()],
      ["no-session", "#/sessions/none", (page) => page.getByRole("alert").waitFor()],
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
        const isTooWide =
          "[document.documentElement, ...document.querySelectorAll('main, .scrolls, .list')].some((box) => box.scrollWidth > box.clientWidth)";
        return [
          ...violations.map(({ id, nodes }) => `${name}: ${id}: ${nodes.map(({ html }) => html).join(" ")}`),
          ...((await page.evaluate(isTooWide)) ? [`${name}: wider than the screen`] : []),
        ];
      };

      test("no fault in any view", { timeout: 180_000 }, async () => {
        const { page, complaints } = await suite.open("", { token: "", viewport, colorScheme });
        await page.getByLabel("Token").waitFor();
        const faults = await faultsOf(page, "login");
        await logIn(page, "wrong");
        await page.getByRole("alert").waitFor();
        faults.push(...(await faultsOf(page, "refused")));
        await logIn(page, suite.served.daemon.token);
        // A page that is left at once has not kept the token.
        await page.getByRole("heading", { name: "Sessions" }).waitFor();
        for (const [name, at, ready] of views) {
          await load(page, `${suite.served.daemon.url}/${at}`);
          const after = await ready(page);
          faults.push(...(await faultsOf(page, name)));
          await after?.();
        }
        // Chromium says so of the session that is not there.
        expect([...faults, ...complaints.filter((text) => !text.includes("404 (Not Found)"))]).toEqual([]);
      });
    });
  },
);
