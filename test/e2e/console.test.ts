/** The web console in a real browser: let in and refused, sessions found, started, watched, steered and answered. */
import { expect, onTestFinished, test } from "vitest";
import { ofType, results } from "../support/claude-daemon.ts";
import { isTaken, logIn, openConsole } from "../support/console.ts";
import { describeConsole, feedOf, serveCounts } from "../support/console-suite.ts";
import { eventually } from "../support/eventually.ts";
import { startDaemon } from "../support/start-daemon.ts";

describeConsole("the console", { serve: serveCounts }, (suite) => {
  const enter: typeof suite.open = (...view) => suite.open(...view);
  const watch = (id: string) => enter(`#/sessions/${id}`);
  const create = async (request: Record<string, unknown> = {}) => {
    const id = await suite.served.create(request);
    onTestFinished(async () => {
      await suite.served.daemon.delete(`/sessions/${id}`);
    });
    return id;
  };

  test("a wrong token is refused in words, a good one is let in, kept over a reload, and never in an address", async () => {
    const { page, asked, complaints } = await enter("", { token: "" });
    await page.getByText("agentd token prints it").waitFor();
    await logIn(page, "not-the-token");
    await page.getByRole("alert").getByText("does not know this token").waitFor();
    await logIn(page, "no token\nat all");
    await page.getByRole("alert").getByText("That is no token").waitFor();
    await logIn(page, suite.served.daemon.token);
    await page.getByRole("heading", { name: "Sessions" }).waitFor();
    await page.reload();
    await page.getByRole("heading", { name: "Sessions" }).waitFor();
    await page.getByRole("button", { name: "Leave" }).click();
    await page.getByLabel("Token").waitFor();
    await page.reload();
    await page.getByLabel("Token").waitFor();
    expect(asked.filter((url) => url.includes(suite.served.daemon.token))).toEqual([]);
    expect(asked.filter((url) => !url.startsWith(`${suite.served.daemon.url}/`))).toEqual([]);
    expect(complaints).toEqual([]);
  });

  test("a token that is revoked leads back to the login", async () => {
    const made = await suite.served.daemon.post("/tokens", { name: "for-a-while", scope: "read" });
    const { page } = await enter("", { token: made.body.token });
    await page.getByRole("heading", { name: "Sessions" }).waitFor();
    await suite.served.daemon.delete("/tokens/for-a-while");
    await page.getByRole("alert").getByText("does not know this token").waitFor();
  });

  test("a daemon that asks for no token is entered without", async () => {
    const open = await startDaemon({ args: ["--no-auth"] });
    onTestFinished(async () => {
      await open.stop();
    });
    const { page, complaints } = await openConsole(suite.browser, open, { token: "" });
    await page.getByRole("heading", { name: "Sessions" }).waitFor();
    expect(await page.getByRole("button", { name: "Leave" }).count()).toBe(0);
    expect(complaints).toEqual([]);
  });

  test("sessions come and go in the list, are found by words and by filters, and opened by keys", async () => {
    const { page } = await enter();
    const red = await create({ name: "red-fox", prompt: "steps=1 words=1" });
    await create({ name: "grey-wolf", tags: { team: "north" } });
    const cards = page.getByRole("list").getByRole("listitem");
    await page.getByText("red-fox").waitFor();
    await page.getByText("grey-wolf").waitFor();
    await page.keyboard.press("/");
    await page.keyboard.type("team=north");
    await eventually(async () => (await cards.count()) === 1);
    expect(await cards.innerText()).toContain("grey-wolf");
    await page.getByLabel("Search sessions").fill("red-fox");
    await page.getByLabel("State").selectOption("ended");
    await page.getByText("None.").waitFor();
    await suite.served.daemon.post(`/sessions/${red}/stop`, {});
    await page.getByText("red-fox").waitFor();
    await page.keyboard.press("Escape");
    await page.getByRole("heading", { name: "Sessions" }).click();
    await page.keyboard.press("Enter");
    await page.getByRole("heading", { name: "red-fox" }).waitFor();
    await page.getByText("The agent ended with").waitFor();
    await page.keyboard.press("Escape");
    await page.getByRole("heading", { name: "Sessions" }).waitFor();
  });

  test("a session is started, streams, is prompted, steered, interrupted and stopped", async () => {
    const { page, complaints } = await enter();
    await page.getByRole("link", { name: "New" }).click();
    await page.getByRole("combobox", { name: "Agent" }).selectOption("counts");
    await page.getByRole("textbox", { name: "Prompt" }).fill("steps=1 words=300 pause=20");
    await page.getByLabel("Name").fill("by-hand");
    await page.getByRole("button", { name: "Start" }).click();
    await page.getByRole("heading", { name: "by-hand" }).waitFor();
    await feedOf(page).getByText("#3 ").first().waitFor();
    // It is shown while it is written: no whole message is there yet.
    const id = String((await suite.served.daemon.get("/sessions/by-hand")).body.session_id);
    expect(suite.served.events(id).some(({ type, data }) => type === "agent_message" && data["delta"] === false)).toBe(
      false,
    );
    await page.getByLabel("Prompt").fill("words=1 a word into it");
    await page.getByRole("button", { name: "Steer" }).click();
    await feedOf(page).getByText("you · steer").waitFor();
    await page.getByLabel("Prompt").fill("steps=1 words=2 the next one");
    await page.keyboard.press("Enter");
    await feedOf(page).getByText("the next one").waitFor();
    await page.keyboard.press("Escape");
    await page.keyboard.press("i");
    await feedOf(page).getByText("t1 · interrupted").waitFor();
    await feedOf(page).getByText("t3 · success").or(feedOf(page).getByText("t2 · success")).waitFor();
    await feedOf(page)
      .getByRole("button", { name: /Bash.*true/ })
      .first()
      .waitFor();
    await page.keyboard.press("x");
    await page.getByRole("dialog", { name: "Stop the session?" }).getByText("Cancel").click();
    await page.getByRole("button", { name: "Stop" }).click();
    await page.getByRole("button", { name: "Stop it" }).click();
    await feedOf(page).getByText("The agent ended with").waitFor();
    await eventually(async () => (await page.getByLabel("Prompt").count()) === 0);
    expect(complaints).toEqual([]);
  });

  test("a question waits with what it is about; a approves it, d denies it, and the agent hears which", async () => {
    const id = await create({ permission_mode: "interactive", prompt: "steps=2 words=1 ask=1" });
    const { page } = await watch(id);
    const asks = page.getByRole("region", { name: "The agent asks" });
    await asks.getByText("true 2").waitFor();
    // In the title too, for whoever looks at another tab.
    await eventually(async () => (await page.title()) === "(1) agentd");
    await isTaken(asks);
    await page.keyboard.press("a");
    await asks.getByText("true 4").waitFor();
    await isTaken(asks);
    await asks.getByLabel("Why not").fill("not that one");
    await page.keyboard.press("Escape");
    await page.keyboard.press("d");
    await asks.waitFor({ state: "detached" });
    const events = await suite.served.until(id, (all) => results(all).length === 1);
    expect(ofType(events, "input_resolved")).toMatchObject([
      { decision: "approve_once" },
      { decision: "deny", message: "not that one" },
    ]);
    await feedOf(page).getByText("denied by").waitFor();
  });

  test("a key that is held down answers one question, and none that has only just come", async () => {
    const id = await create({ permission_mode: "interactive", prompt: "steps=3 words=1 ask=1" });
    const { page } = await watch(id);
    const asks = page.getByRole("region", { name: "The agent asks" });
    await asks.getByText("true 2").waitFor();
    await isTaken(asks);
    // Pressed in each frame that is surely before the second question has been there for half a second.
    await page.evaluate(`(async () => {
      const frame = () => new Promise((go) => requestAnimationFrame(() => setTimeout(go)));
      const isThere = () => document.querySelector(".asks")?.textContent.includes("true 4");
      globalThis.pressing = (async () => {
        while (!isThere()) await frame();
        for (const since = performance.now(); performance.now() - since < 400; await frame())
          document.body.dispatchEvent(new KeyboardEvent("keydown", { key: "a", bubbles: true }));
      })();
    })()`);
    await page.keyboard.down("a");
    await asks.getByText("true 4").waitFor();
    await page.evaluate("globalThis.pressing");
    await isTaken(asks);
    // Down while it is down: what a keyboard says again and again of a key that is held.
    for (let again = 0; again < 5; again++) await page.keyboard.down("a");
    await page.keyboard.up("a");
    await page.keyboard.press("d");
    await asks.getByText("true 6").waitFor();
    await isTaken(asks);
    await page.keyboard.press("a");
    const events = await suite.served.until(id, (all) => results(all).length === 1);
    expect(ofType(events, "input_resolved").map(({ decision }) => decision)).toEqual([
      "approve_once",
      "deny",
      "approve_once",
    ]);
  });

  test("a reload in mid-stream, and a daemon that is killed and replaced, lose nothing and double nothing", async () => {
    const id = await suite.served.create({ prompt: "steps=1 words=400 pause=15" });
    const { page } = await watch(id);
    await feedOf(page).getByText("#20 ").first().waitFor();
    await page.reload();
    await feedOf(page).getByText("#60 ").first().waitFor();
    const { port } = new URL(suite.served.daemon.url);
    await suite.served.daemon.kill9();
    await suite.served.restart(["--port", port]);
    const events = await suite.served.until(id, (all) => results(all).length === 1);
    await feedOf(page).getByText("t1 · success").waitFor();
    const said = ofType(events, "agent_message").find(({ delta }) => delta === false);
    const shown = await eventually(async () => {
      const text = await feedOf(page).locator(".agent").first().innerText();
      return text.includes("#400") && text;
    });
    const numbers = (text: string) => [...text.matchAll(/#(\d+)/g)].map(([, digits]) => Number(digits));
    expect(numbers(shown)).toEqual(numbers(String(said?.["text"])));
    expect(numbers(shown)).toEqual(Array.from({ length: 400 }, (_, at) => at + 1));
    await suite.served.daemon.delete(`/sessions/${id}`);
  });

  test("whoever may only read is told so, and nothing happens", async () => {
    const id = await create();
    const made = await suite.served.daemon.post("/tokens", { name: "reader", scope: "read" });
    const { page } = await enter(`#/sessions/${id}`, { token: made.body.token });
    await page.getByLabel("Prompt").fill("words=1");
    await page.keyboard.press("Enter");
    await page.getByRole("alert").getByText('"write" is needed').waitFor();
    expect(await page.getByLabel("Prompt").inputValue()).toBe("words=1");
    expect(ofType(suite.served.events(id), "user_message")).toEqual([]);
  });

  test("keys are explained by ?, and are letters in a field", async () => {
    const { page } = await enter();
    await page.getByRole("heading", { name: "Sessions" }).waitFor();
    await page.keyboard.press("?");
    await page.getByRole("dialog", { name: "Keys" }).waitFor();
    await page.keyboard.press("Escape");
    await page.getByRole("dialog").waitFor({ state: "detached" });
    await page.keyboard.press("/");
    await page.keyboard.type("n?j");
    expect(await page.getByLabel("Search sessions").inputValue()).toBe("n?j");
  });
});
