import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Conversation } from "../../../cmd/view/conversation.ts";
import { type EditLine, edited, emptyLine } from "../../../cmd/view/edit-line.ts";
import { markdownLines } from "../../../cmd/view/markdown.ts";
import { ReadingPlace } from "../../../cmd/view/reading-place.ts";
import { statusLine } from "../../../cmd/view/status-line.ts";
import { cutLine, lineText, markWords, plain, textWidth, wrapLine } from "../../../cmd/view/styled-line.ts";

const anyText = fc.oneof(
  fc.string({ unit: "grapheme", maxLength: 80 }),
  fc.string({
    unit: fc.constantFrom("a", "bc", " ", "  ", "日", "本語", "👨‍👩‍👧", "é", "`", "**", "-"),
    maxLength: 60,
  }),
);

function message(text: string, itemId: string, delta = false): string {
  const data = { turn_id: "t1", item_id: itemId, text, delta };
  return JSON.stringify({ type: "agent_message", data, timestamp: 1 });
}

describe("lines", () => {
  test("are broken into rows that fit and lose nothing but spaces", () => {
    fc.assert(
      fc.property(anyText, fc.integer({ min: 2, max: 30 }), (text, width) => {
        const rows = wrapLine(plain(text), width).map(lineText);
        expect(rows.join("").replaceAll(" ", "")).toBe(text.replaceAll(" ", ""));
        for (const row of rows) expect(textWidth(row)).toBeLessThanOrEqual(Math.max(width, 2));
      }),
    );
  });

  test("are cut where they do not fit, and marked without a change to their words", () => {
    fc.assert(
      fc.property(anyText, fc.integer({ min: 1, max: 30 }), (text, width) => {
        expect(textWidth(lineText(cutLine(plain(text), width)))).toBeLessThanOrEqual(
          Math.max(width, textWidth(text) === 0 ? 0 : 1),
        );
        expect(lineText(markWords(plain(text), "a"))).toBe(text);
      }),
    );
    expect(markWords(plain("Needle, needle", "dim"), "needle").filter(({ style }) => style === "match")).toHaveLength(
      2,
    );
  });
});

describe("markdown", () => {
  test("shows code as it is, strong words and items, and goes on within a block that began before", () => {
    const { lines, isInCode } = markdownLines("# Head\n- **one** `two`\n```ts\n**not** strong");
    expect(lines.map(({ line }) => lineText(line))).toEqual(["Head", "• one two", "┌ ts", "│ **not** strong"]);
    expect(isInCode).toBe(true);
    const rest = markdownLines("more\n```\n**strong**", { isInCode });
    expect(rest.lines.map(({ line }) => lineText(line))).toEqual(["│ more", "└", "strong"]);
  });
});

describe("a conversation", () => {
  test("is the same whether a message came whole or in pieces, however long it is", () => {
    fc.assert(
      fc.property(fc.array(anyText, { maxLength: 20 }), fc.integer({ min: 1, max: 400 }), (words, times) => {
        const text = `x${Array.from({ length: times }, () => words.join("\n")).join("\n")}`;
        const whole = new Conversation("s");
        whole.line(message(text, "i"));
        const pieces = new Conversation("s");
        for (let at = 0; at < text.length; at += 997) pieces.line(message(text.slice(at, at + 997), "i", true));
        pieces.line(message(text, "i"));
        const said = (conversation: Conversation) =>
          Array.from({ length: conversation.end }, (_, at) => conversation.at(at))
            .map((entry) => (entry?.kind === "message" ? entry.text : ""))
            .join("");
        expect(said(pieces)).toBe(said(whole));
      }),
      { numRuns: 30 },
    );
  });

  test("of 60,000 events keeps the last, counts what it let go of, and is moved about in row by row", () => {
    const conversation = new Conversation("s");
    for (let at = 0; at < 60_000; at++) conversation.line(message(`message ${at}`, `i${at}`));
    expect(conversation.end).toBe(60_000);
    expect(conversation.end - conversation.first).toBeLessThanOrEqual(20_000);
    const place = new ReadingPlace(conversation);
    place.resize({ width: 40, height: 10 });
    const seen = () => place.rows().map(lineText);
    expect(seen().at(-1)).toBe("message 59999");
    place.scroll(-2);
    expect(seen().at(-1)).toBe("message 59998");
    // What comes does not move what is read.
    conversation.line(message("news", "n"));
    expect(seen().at(-1)).toBe("message 59998");
    expect(place.find("message 50123", -1)).toBe(true);
    expect(seen()).toContain("message 50123");
    expect(place.find("nowhere", -1)).toBe(false);
    place.toStart();
    expect(seen()[1]).toBe(`message ${conversation.first}`);
    place.toEnd();
    expect(seen().at(-1)).toBe("news");
    expect(place.isAtEnd).toBe(true);
  });

  test("a line of many megabytes is shown by its beginning, and keeps nobody waiting", () => {
    const conversation = new Conversation("s");
    for (const [at, type] of ["agent_message", "stdout", "tool_result"].entries()) {
      const text = "lorem`*_ipsum ".repeat(400_000);
      const data = { turn_id: "t1", item_id: "i", id: `c${at}`, name: "Bash", text, output: text, delta: true };
      const more = { is_error: false, duration_ms: 1 };
      conversation.line(JSON.stringify({ type, data: { ...data, ...more }, timestamp: 1 }));
    }
    const place = new ReadingPlace(conversation);
    place.toggleAll();
    place.resize({ width: 40, height: 1000 });
    const rows = place.rows().map(lineText);
    expect(rows.length).toBeGreaterThan(100);
    expect(rows.length).toBeLessThan(600);
  });

  test("any way up and back down ends where it began, at any size", () => {
    const conversation = new Conversation("s");
    for (let at = 0; at < 60; at++) conversation.line(message(`${at} ${"word ".repeat(at % 17)}`, `i${at}`));
    fc.assert(
      fc.property(
        fc.integer({ min: 4, max: 60 }),
        fc.integer({ min: 1, max: 30 }),
        fc.array(fc.integer({ min: -40, max: 40 }), { maxLength: 12 }),
        (width, height, steps) => {
          const place = new ReadingPlace(conversation);
          place.resize({ width, height });
          const end = place.rows().map(lineText);
          expect(end).toHaveLength(height);
          for (const step of steps) {
            place.scroll(step);
            expect(place.rows()).toHaveLength(height);
          }
          place.scroll(10_000);
          expect(place.rows().map(lineText)).toEqual(end);
        },
      ),
    );
  });
});

describe("the line about a session", () => {
  const view = {
    session_id: "12345678-x",
    agent: "claude",
    model: "sonnet-5",
    turn_count: 2,
    input_tokens: 12_345,
    output_tokens: 678,
    created_at: "2026-01-01T00:00:00Z",
    cost_usd: 1,
  };
  const facts = {
    view,
    turnSinceMs: 0,
    nowMs: Date.parse("2026-01-01T00:01:05Z"),
    connection: "ended" as const,
    readShare: 1,
    exitCode: 0,
    isAtEnd: true,
  };

  test("leaves out what matters least, and never is too wide", () => {
    const all = "■ ended, code 0 · 12345678 · claude · sonnet-5 · turn 3 · 12.3k in, 678 out · $1.00 · 1m 05s";
    expect(lineText(statusLine(facts, 100))).toBe(all);
    expect(lineText(statusLine(facts, textWidth(all) - 1))).toBe(
      "■ ended, code 0 · 12345678 · claude · sonnet-5 · turn 3 · 12.3k in, 678 out · $1.00",
    );
    expect(lineText(statusLine(facts, 40))).toBe("■ ended, code 0 · claude · $1.00");
    for (let width = 1; width < 100; width++)
      expect(textWidth(lineText(statusLine(facts, width)))).toBeLessThanOrEqual(width);
  });

  test("says how much of the log is read while that goes on", () => {
    const reading = { ...facts, connection: "reading" as const, readShare: 0.429, turnSinceMs: undefined };
    expect(lineText(statusLine(reading, 60))).toBe("reading the log 42% · 12345678 · claude · sonnet-5 · $1.00");
    expect(lineText(statusLine({ ...reading, view: undefined }, 60))).toBe("reading the log 42%");
  });
});

test("a typed line never breaks a character, whatever keys come", () => {
  const key = fc.oneof(
    fc.record({ name: fc.constant("text" as const), text: anyText }),
    fc.record({ name: fc.constantFrom("backspace" as const, "left" as const, "right" as const, "home" as const) }),
    fc.record({ name: fc.constant("ctrl" as const), letter: fc.constantFrom("a", "e", "u", "k", "w") }),
  );
  fc.assert(
    fc.property(fc.array(key, { maxLength: 40 }), (keys) => {
      const line = keys.reduce<EditLine>((before, pressed) => edited(before, pressed) ?? before, emptyLine);
      expect(line.at).toBeGreaterThanOrEqual(0);
      expect(line.at).toBeLessThanOrEqual(line.text.length);
      expect(line.text).not.toMatch(/\p{Surrogate}/u);
    }),
  );
});
