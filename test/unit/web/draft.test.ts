/** What somebody is about to say: only what was accepted is taken away, whatever comes while it is on its way. */
import { expect, test } from "vitest";
import { Draft, type Say } from "../../../src/web/session/draft.ts";

const picture = (name: string, bytes = 10) => new File([new Uint8Array(bytes)], name, { type: "image/png" });
const names = ({ images }: Draft) => images.value.map(({ name }) => name);

/** A daemon that answers when it is told to. */
function daemon() {
  const heard: unknown[] = [];
  let answer: (isAccepted: boolean) => void = () => undefined;
  const say: Say = (kind, text, images) => {
    heard.push([kind, text, images.length]);
    return new Promise((resolve) => {
      answer = resolve;
    });
  };
  return { heard, say, answer: (isAccepted: boolean) => answer(isAccepted) };
}

async function draftOf(text: string, ...files: File[]): Promise<Draft> {
  const draft = new Draft();
  draft.text.value = text;
  await draft.attach(files);
  return draft;
}

test("what is typed and attached while it is on its way stays, what was sent goes", async () => {
  const draft = await draftOf("look at this", picture("one"));
  const { say, answer, heard } = daemon();
  const sent = draft.send("prompt", say);
  draft.text.value += " and at that";
  await draft.attach([picture("two")]);
  answer(true);
  await sent;
  expect([draft.text.value, names(draft)]).toEqual([" and at that", ["two"]]);
  expect(heard).toEqual([["prompt", "look at this", 1]]);
});

test("what was begun anew meanwhile stays whole", async () => {
  const draft = await draftOf("the first");
  const { say, answer } = daemon();
  const sent = draft.send("prompt", say);
  draft.text.value = "another";
  answer(true);
  await sent;
  expect(draft.text.value).toBe("another");
});

test("what was refused stays, a second sending waits for the first, and a steer leaves the pictures", async () => {
  const draft = await draftOf("go on", picture("one"));
  const { say, answer, heard } = daemon();
  const refused = draft.send("prompt", say);
  await draft.send("prompt", say);
  answer(false);
  await refused;
  expect([draft.text.value, names(draft), heard.length]).toEqual(["go on", ["one"], 1]);
  const steered = draft.send("steer", say);
  answer(true);
  await steered;
  expect([draft.text.value, names(draft), heard[1]]).toEqual(["", ["one"], ["steer", "go on", 0]]);
});

test("pictures that are pasted quickly one after the other are all there, and no more than may be", async () => {
  const draft = new Draft();
  const many = Array.from({ length: 15 }, (_, at) => picture(`${at}`));
  await Promise.all([draft.attach([picture("one")]), draft.attach([picture("two")])]);
  expect(names(draft)).toEqual(["one", "two"]);
  await Promise.all([draft.attach(many), draft.attach(many)]);
  expect(draft.images.value).toHaveLength(17);
  expect(draft.fault.value).toContain("20 go with a prompt");
});

test("one that is taken away while the next is read stays away", async () => {
  const draft = await draftOf("", picture("one"));
  const attaching = draft.attach([picture("two", 1_000_000)]);
  draft.images.value = [];
  await attaching;
  expect(names(draft)).toEqual(["two"]);
});
