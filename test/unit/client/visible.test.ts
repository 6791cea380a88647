import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { visible } from "../../../src/client/visible.ts";

describe("text that a person decides by", () => {
  const cases: [what: string, text: string, shown: string][] = [
    ["code between an escape's ends", "/*\x1b]*/evil()/*\x07*/", "/*‹U+001B›]*/evil()/*‹U+0007›*/"],
    ["a command between the ends of an 8-bit one", "ls\u009d;touch X;:\u009c", "ls‹U+009D›;touch X;:‹U+009C›"],
    ["colours", "\x1b[8mevil\x1b[0m", "‹U+001B›[8mevil‹U+001B›[0m"],
    ["ends of lines that are none here", "// a\rb\u2028c\u0085d\r\n", "// a‹U+000D›b‹U+2028›c‹U+0085›d‹U+000D›\n"],
    ["a letter without width", "if (a\u3164)", "if (a‹U+3164›)"],
    ["marks that reorder", "\u202eab\u2066c\u061c", "‹U+202E›ab‹U+2066›c‹U+061C›"],
    ["letters of a language that nobody sees", "a\u{e0041}\u{e0141}", "a‹U+E0041›‹U+E0141›"],
    ["joiners and selectors outside of emoji", "a\u200db\ufe0f\u200c", "a‹U+200D›b‹U+FE0F›‹U+200C›"],
    ["selectors in a row", "☺\ufe0f\ufe0f", "☺\ufe0f‹U+FE0F›"],
    ["half a pair", "a\ud800b", "a‹U+D800›b"],
  ];
  test.each(cases)("has %s written out", (_what, text, shown) => expect(visible(text)).toBe(shown));

  test("is as it was where nothing in it hides", () => {
    const plain = "a\tb\n日本語 é 👩‍💻 ☺️ 👩🏽‍💻 🏳️‍🌈 ❤️‍🔥";
    expect(visible(plain)).toBe(plain);
  });

  test("loses nothing: what was written out can be read back", () => {
    const readBack = (text: string) =>
      text.replace(/‹U\+([0-9A-F]{4,6})›/g, (_whole, digits) => String.fromCodePoint(Number.parseInt(digits, 16)));
    const unit = fc.oneof(
      fc.constantFrom("\x1b", "]", "[", "\x07", "\u009d", "\u009c", "m", "\r", "\n", "\t", "\u200d", "😀", "\ufe0f"),
      fc.string({ unit: "binary", minLength: 1, maxLength: 1 }).filter((char) => char !== "‹"),
    );
    fc.assert(
      fc.property(fc.array(unit, { maxLength: 60 }), (chars) => {
        const text = chars.join("");
        const shown = visible(text);
        expect(readBack(shown)).toBe(text);
        expect(shown).not.toMatch(/[^\P{Cc}\n\t]/u);
      }),
    );
  });
});
