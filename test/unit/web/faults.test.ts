/** What went wrong in a view: what may pass is tried again, what was done is done, and words stand no longer than they are true. */
import { expect, test } from "vitest";
import { DaemonUnreachable } from "../../../src/client/address.ts";
import { AgentdError, messageOf } from "../../../src/protocol/error.ts";
import { Faults } from "../../../src/web/session/faults.ts";

const away = () => new DaemonUnreachable("away", { named: true });
const missing = () => new AgentdError("session_not_found", "no such session");

function faults() {
  const over = new AbortController();
  return { over, faults: new Faults({ over: over.signal, wordsOf: messageOf }) };
}

/** Answers with these, one after the other. */
function answers(...all: (Error | string)[]) {
  return async () => {
    const answer = all.shift();
    if (typeof answer === "string") return answer;
    throw answer;
  };
}

test("what may pass is tried until it goes well, and said meanwhile", async () => {
  const { faults: it } = faults();
  const said: string[] = [];
  it.shown.subscribe((words) => said.push(words));
  const act = answers(away(), new AgentdError("internal", "broken"), "done");
  expect(await it.persist("reading", act)).toBe("done");
  expect(said).toEqual(["", "away", "broken", ""]);
});

test("what does not pass is not tried again, and nothing is once nobody looks", async () => {
  const { over, faults: it } = faults();
  await expect(it.persist("reading", answers(missing(), "done"))).rejects.toThrow("no such session");
  const forever = it.persist("reading", () => Promise.reject(away()));
  over.abort();
  await expect(forever).rejects.toThrow();
});

test("what was accepted is accepted, although nobody could look at what became of it", async () => {
  const { faults: it } = faults();
  expect(await it.tried(answers("accepted"), answers(away()))).toBe(true);
  expect(it.shown.value).toBe("away");
  it.isWell("look");
  expect(it.shown.value).toBe("");
  expect(await it.tried(answers(missing()), answers())).toBe(false);
  expect(it.shown.value).toBe("no such session");
});

test("what a person did wrong stands until something goes well; what the page could not do, until it can", async () => {
  const { faults: it } = faults();
  it.noteOf("following", away());
  it.noteOf("reading", away());
  it.isWell("following");
  expect(it.shown.value).toBe("away");
  it.isWell("reading");
  expect(it.shown.value).toBe("");
  it.note(missing());
  it.isWell("following");
  expect(it.shown.value).toBe("no such session");
  await it.tried(answers("accepted"), answers("seen"));
  expect(it.shown.value).toBe("");
});
