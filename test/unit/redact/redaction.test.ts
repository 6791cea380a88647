import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { HarnessOutput } from "../../../sidecar/harness.ts";
import { Redaction } from "../../../sidecar/redact/redaction.ts";
import { SecretWords } from "../../../sidecar/redact/secret-words.ts";
import { TextStream } from "../../../sidecar/redact/text-stream.ts";
import { SessionEvent } from "../../../src/protocol/event.ts";

const key = "sk-ant-api03-Zq8w_7RkE2vN";
const awkward = 'pa"ss\\wörd/with=all&sorts';
const redaction = () => new Redaction({ values: [key, awkward], patterns: [] });

const redactionOf = (value: string) => new Redaction({ values: [value], patterns: [] });

/** Of the alphabet of the texts around it, so that beginnings of it are everywhere. */
const letters = fc.constantFrom("a", "b", "c", "-", " ");
const text = fc.array(letters, { maxLength: 40 }).map((all) => all.join(""));
const secret = fc.array(letters, { minLength: 8, maxLength: 14 }).map((all) => all.join("").replaceAll(" ", "_"));
const cuts = fc.array(fc.nat(9), { minLength: 1, maxLength: 12 });

describe("a text in pieces", () => {
  test("never tells a secret, wherever it is cut, and all of what is none", () => {
    void fc.assert(
      fc.property(secret, text, text, cuts, fc.boolean(), (value, before, after, sizes, isSlow) => {
        const told = throughStream([value], piecesOf(before + value + after, sizes), isSlow);
        expect(told).not.toContain(value);
        expect(told).toContain("[redacted]");
        const plain = before.replaceAll(value, "") + after.replaceAll(value, "");
        if (!plain.includes(value.slice(0, 8)) && !plain.includes(value.slice(-8)))
          expect(throughStream([value], piecesOf(plain, sizes), isSlow)).toBe(plain);
      }),
      { numRuns: 3000 },
    );
  });

  test("tells the same whether a look ahead spared it the search or not", () => {
    void fc.assert(
      fc.property(secret, secret, text, cuts, (one, two, around, sizes) => {
        const pieces = piecesOf(`${around}${one}${around}${two}${one.slice(0, 5)}`, sizes);
        expect(throughStream([one, two], pieces, false)).toBe(throughStream([one, two], pieces, true));
      }),
      { numRuns: 2000 },
    );
  });

  test("waits for the rest of one only, and gives it back when it was none", () => {
    const stream = new TextStream(new SecretWords({ values: [key], patterns: [] }));
    expect(stream.push("the key is ")).toBe("the key is ");
    expect(stream.push("sk-ant-a")).toBe("");
    expect(stream.push("nd more")).toBe("sk-ant-and more");
    expect(stream.push(" sk-ant-api03-Z")).toBe(" ");
    expect(stream.push("q8w_7RkE2vN.")).toBe("[redacted].");
    expect(stream.push(" sk-ant-api03")).toBe(" ");
    expect(stream.end()).toBe("[redacted]");
  });

  test("of a longer secret that begins like a shorter one nothing is left over", () => {
    const longer = `${key}-and-more`;
    for (let at = 1; at < longer.length; at++)
      expect(throughStream([longer, key], [longer.slice(0, at), longer.slice(at)], true)).not.toMatch(/more|RkE2/);
  });

  test("patterns hold within a word, however it is cut", () => {
    for (let at = 1; at < 20; at++) {
      const stream = new TextStream(new SecretWords({ values: [], patterns: ["tok_[a-z0-9]{6,}"] }));
      const whole = "use tok_abc123def456 now";
      expect(stream.push(whole.slice(0, at)) + stream.push(whole.slice(at)) + stream.end()).toBe("use [redacted] now");
    }
  });
});

describe("spellings", () => {
  test.each([key, awkward])(
    "%s is found as it is, in JSON, in JSON within JSON, in an address and in base64",
    (value) => {
      const inJson = JSON.stringify({ output: value });
      const spelled = [value, inJson, JSON.stringify(inJson), `https://x/?k=${encodeURIComponent(value)}&b`];
      for (const before of ["", "a", "ab", "user:"])
        spelled.push(
          Buffer.from(`${before}${value}zz`).toString("base64"),
          Buffer.from(before + value).toString("base64url"),
        );
      for (const given of spelled) {
        const told = redaction().text(`it is ${given}.`);
        expect(told).toContain("[redacted]");
        for (const part of [value, JSON.stringify(value).slice(1, -1), encodeURIComponent(value)])
          expect(told).not.toContain(part);
        for (const run of told.match(/[\w+/=-]{12,}/g) ?? [])
          expect(Buffer.from(run, "base64").toString()).not.toContain(value.slice(0, 12));
      }
    },
  );

  test.each([key, awkward])("%s is found in hex and percent-encoded with small letters", (value) => {
    const hex = Buffer.from(`x${value}y`).toString("hex");
    const small = encodeURIComponent(`ü/${value}/`).replace(/%../g, (code) => code.toLowerCase());
    for (const given of [hex, hex.toUpperCase(), small]) {
      const told = redaction().text(`it is ${given}.`);
      expect(told).toContain("[redacted]");
      expect(told.length).toBeLessThan(40);
    }
  });

  test("a key of many lines goes line by line", () => {
    const pem = "-----BEGIN KEY-----\nMIIEvQIBADANBgkq\nhkiG9w0BAQEFAASC\n-----END KEY-----";
    const told = new Redaction({ values: [pem], patterns: [] }).text("1: MIIEvQIBADANBgkq\n2: hkiG9w0BAQEFAASC\n");
    expect(told).toBe("1: [redacted]\n2: [redacted]\n");
  });

  test("where a text was cut in the midst of one, what is left of it goes too", () => {
    expect(redaction().text(`${key.slice(-9)} was the end, and the beginning is ${key.slice(0, 12)}`)).toBe(
      "[redacted] was the end, and the beginning is [redacted]",
    );
  });
});

describe("base64 in lines", () => {
  const long = `${key}-${"0123456789abcdef".repeat(8)}-and-its-end`;
  const breaks = { "\\n": "\n", "\\r\\n": "\r\n", "\\n in JSON": "\\n", "\\r\\n in JSON within JSON": "\\\\r\\\\n" };
  const inLines = (text: string, columns: number, lineBreak: string) =>
    (text.match(new RegExp(`.{1,${columns}}`, "g")) ?? []).join(lineBreak);
  /** What can be read of the value by who joins the lines again and tries each beginning. */
  const readable = (told: string, lineBreak: string, value: string) => {
    const runs = told.replaceAll(lineBreak, "").match(/[\w+/=-]{8,}/g) ?? [];
    const decoded = runs.flatMap((run) =>
      [0, 1, 2, 3].map((from) => Buffer.from(run.slice(from), "base64").toString("latin1")),
    );
    return Array.from({ length: value.length - 6 }, (_, at) =>
      Buffer.from(value)
        .toString("latin1")
        .slice(at, at + 6),
    ).filter((part) => decoded.some((text) => text.includes(part)));
  };

  test.each(Object.entries(breaks))("a secret is found across %s, wherever it lies", (_name, lineBreak) => {
    for (const value of ["8letters", "a password", key, awkward, long])
      for (const columns of [64, 76])
        for (let before = 0; before < 60; before++) {
          const text = Buffer.from(`${".".repeat(before)}${value}${".".repeat(30)}`).toString("base64");
          const given = inLines(text, columns, lineBreak);
          const told = redactionOf(value).text(given);
          expect([given, told]).toEqual([given, expect.stringContaining("[redacted]")]);
          expect([given, readable(told, lineBreak, value)]).toEqual([given, []]);
        }
  });

  test.each(Object.entries(breaks))(
    "also when it comes in pieces with %s between or within them",
    (_name, lineBreak) => {
      const before = fc.nat(80);
      const value = fc.constantFrom("8letters", key, awkward, long);
      void fc.assert(
        fc.property(
          value,
          before,
          cuts,
          fc.constantFrom(64, 76),
          fc.boolean(),
          (value, before, sizes, columns, isSlow) => {
            const text = Buffer.from(`${".".repeat(before)}${value}${".".repeat(30)}`).toString("base64");
            const given = inLines(text, columns, lineBreak);
            const told = throughStream([value], piecesOf(given, sizes), isSlow);
            expect(told).toContain("[redacted]");
            // Three characters may be out before it is known.
            expect(readable(told, lineBreak, value)).toEqual([]);
          },
        ),
        // The break of two pieces, of which the second is long enough to be looked at without the first.
        { numRuns: 2000, examples: [["8letters", 46, [6, 3, 0, 0, 2, 3, 6, 4, 5, 5, 8], 64, false]] },
      );
    },
  );

  test("lines that hold none stay as they are, in pieces too, and no piece waits for a break that does not come", () => {
    const given = inLines(Buffer.from("nothing to hide here. ".repeat(20)).toString("base64"), 76, "\n");
    void fc.assert(
      fc.property(cuts, fc.boolean(), (sizes, isSlow) => {
        expect(throughStream([key, "hide there"], piecesOf(`${given}\\`, sizes), isSlow)).toBe(`${given}\\`);
      }),
    );
    const stream = new TextStream(new SecretWords({ values: [key], patterns: [] }));
    const begun = Buffer.from(key).toString("base64").slice(0, 8);
    expect(stream.push(begun)).toBe("");
    expect(stream.push("\n")).toBe("");
    expect(stream.push("\n".repeat(1000))).toBe(`${begun}${"\n".repeat(1001)}`);
  });
});

describe("events", () => {
  test("of every kind that an agent causes, at any depth, in keys too, and their raw lines", () => {
    const data = {
      turn_id: "t1",
      id: "c1",
      name: "Bash",
      kind: "execute",
      input: { [key]: [{ command: `x ${key}` }] },
    };
    const output = { event: { type: "tool_use", data }, raw: JSON.stringify({ tool: data }) } as HarnessOutput;
    const [told] = redaction().pass([output], true);
    expect(told).toEqual({
      event: {
        type: "tool_use",
        data: { ...data, input: { "[redacted]": [{ command: "x [redacted]" }] } },
      },
      raw: JSON.stringify({ tool: { ...data, input: { "[redacted]": [{ command: "x [redacted]" }] } } }),
    });
  });

  test("of people stay: the agent is to get them again as they were", () => {
    const event: SessionEvent = { type: "user_message", data: { turn_id: "t1", kind: "steer", text: `use ${key}` } };
    expect(redaction().pass([{ event }], false)).toEqual([{ event }]);
  });

  test("keep the words of the protocol, were they ever a secret", () => {
    const event: SessionEvent = {
      type: "exit",
      data: { code: 1, error_category: "permission_denied", error_detail: "no" },
    };
    expect(new Redaction({ values: ["permission_denied"], patterns: [] }).pass([{ event }], false)).toEqual([
      { event },
    ]);
  });

  test("pieces of several texts in turn: each is joined with its own, and what waits comes when its text is over", () => {
    const piece = (item: string, words: string): HarnessOutput => ({
      event: { type: "agent_message", data: { turn_id: "t1", item_id: item, text: words, delta: true } },
      raw: JSON.stringify({ item, delta: words }),
    });
    const under = redaction();
    const told = under.pass(
      [
        piece("a", `A ${key.slice(0, 10)}`),
        piece("b", `B ${key.slice(0, 6)}`),
        piece("a", key.slice(10)),
        piece("b", "!"),
      ],
      true,
    );
    expect(told.map(({ event }) => event.data)).toMatchObject([
      { item_id: "a", text: "A " },
      { item_id: "b", text: "B " },
      { item_id: "a", text: "[redacted]" },
      { item_id: "b", text: `${key.slice(0, 6)}!` },
    ]);
    expect(told.map(({ raw }) => raw).join("")).not.toContain(key.slice(0, 10));
    const [early] = under.pass([piece("c", `C ${key.slice(0, 6)}`)], false);
    expect(early?.event.data).toMatchObject({ text: "C " });
    const end: SessionEvent = { type: "exit", data: { code: 0 } };
    expect(under.pass([{ event: end }], false).map(({ event }) => event)).toMatchObject([
      { type: "agent_message", data: { item_id: "c", text: key.slice(0, 6), delta: true } },
      end,
    ]);
  });

  test("a blob has none, however its line came", () => {
    void fc.assert(
      fc.property(fc.string({ unit: "binary", maxLength: 60 }), cuts, (around, sizes) => {
        const bytes = Buffer.from(`${around}${awkward}${around}`);
        const kept: Buffer[] = [];
        let isOver = false;
        const sink = redaction().sink({ write: (part) => kept.push(part), end: () => (isOver = true) });
        for (const piece of piecesOf(bytes.toString("latin1"), sizes)) sink.write(Buffer.from(piece, "latin1"));
        sink.end();
        expect(isOver).toBe(true);
        // Up to three bytes of it may be out before it is known.
        const told = [0, 1, 2, 3].map((count) => `${around}${awkward.slice(0, count)}[redacted]${around}`);
        expect(told.map((whole) => Buffer.from(whole).toString("hex"))).toContain(Buffer.concat(kept).toString("hex"));
      }),
    );
  });
});

/** Of more than small letters: no word that the protocol itself may use. */
const wordPattern = /(?=\S*[A-Z0-9./])[\w./-]{8,40}/g;

/** What every agent's normalizer made of real streams: some word of the agent's is taken for the secret. */
describe.each(recordings())("the events of %s", (_name, events) => {
  const spoken = events.flatMap((event) =>
    event.type === "agent_message" && !event.data.delta ? (event.data.text.match(wordPattern) ?? []) : [],
  );
  const used = events.flatMap((event) =>
    event.type === "tool_result" ? (event.data.output.match(wordPattern) ?? []) : [],
  );

  test("stay as they are when they hold none", () => {
    const under = redaction();
    const outputs = events.map((event) => ({ event }));
    expect(outputs.flatMap((output) => under.pass([output], false))).toEqual(outputs);
  });

  test.each([...new Set([spoken[0], used[0]].filter((word) => word !== undefined))])("never tell %s", (word) => {
    const under = new Redaction({ values: [word], patterns: [] });
    const told = events.flatMap((event) => under.pass([{ event }], false)).map(({ event }) => event);
    for (const event of told) SessionEvent.parse(event);
    expect(JSON.stringify(told.filter(({ type }) => type !== "user_message"))).not.toContain(word);
    const texts = new Map<string, string>();
    for (const event of told) {
      if (event.type !== "agent_message" || !event.data.delta) continue;
      texts.set(event.data.item_id, (texts.get(event.data.item_id) ?? "") + event.data.text);
    }
    for (const whole of texts.values()) expect(whole).not.toContain(word);
  });
});

function throughStream(values: readonly string[], pieces: readonly string[], isSuspect: boolean): string {
  const words = new SecretWords({ values, patterns: [] });
  const stream = new TextStream(words);
  // As a batch of one piece: what was looked at before is the piece alone.
  return pieces.map((piece) => stream.push(piece, isSuspect || words.mayBeIn(piece))).join("") + stream.end();
}

function piecesOf(whole: string, sizes: readonly number[]): string[] {
  const pieces: string[] = [];
  let at = 0;
  for (let i = 0; at < whole.length; i++) {
    const size = (sizes[i % sizes.length] ?? 0) + 1;
    pieces.push(whole.slice(at, at + size));
    at += size;
  }
  return pieces;
}

function recordings(): [name: string, events: SessionEvent[]][] {
  const home = fileURLToPath(new URL("../../fixtures/transcripts", import.meta.url));
  return readdirSync(home).flatMap((agent) =>
    readdirSync(`${home}/${agent}`).map((name): [string, SessionEvent[]] => [
      `${agent}/${name}`,
      readFileSync(`${home}/${agent}/${name}/events.ndjson`, "utf8")
        .split("\n")
        .filter((line) => line !== "")
        .map((line) => SessionEvent.parse(JSON.parse(line))),
    ]),
  );
}
