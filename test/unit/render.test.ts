import { describe, expect, test } from "vitest";
import { plainText } from "../../cmd/plain-text.ts";
import { Renderer } from "../../cmd/render.ts";
import { noUsage, type SessionEvent } from "../../src/protocol/event.ts";

/** What a terminal without colours shows of these events. */
function shown(events: readonly SessionEvent[]): string {
  const renderer = new Renderer({ colour: false, sessionId: "s" });
  return (
    events.map((event, at) => renderer.line(JSON.stringify({ ...event, timestamp: 1, seq: at + 1 }))).join("") +
    renderer.flush()
  );
}

function delta(item_id: string, text: string): SessionEvent {
  return { type: "agent_message", data: { turn_id: "t1", item_id, text, delta: true } };
}

function whole(item_id: string, text: string, superseded?: true): SessionEvent {
  const data = { turn_id: "t1", item_id, text, delta: false };
  return { type: "agent_message", data: superseded ? { ...data, superseded } : data };
}

function result(data: Partial<Extract<SessionEvent, { type: "result" }>["data"]>): SessionEvent {
  return {
    type: "result",
    data: {
      turn_id: "t1",
      session_id: "s",
      status: "success",
      cost_usd: null,
      duration_ms: 3210,
      num_turns: 1,
      usage: noUsage,
      ...data,
    },
  };
}

describe("a question", () => {
  test("shows what is to be approved, and nothing that a terminal would act on", () => {
    const hostile = "\x1b]0;owned\x07\x1b[2Jrm -rf /\u202e";
    const text = shown([
      {
        type: "input_required",
        data: {
          request_id: `r1${hostile}`,
          turn_id: "t1",
          kind: "permission",
          message: `Bash: ${hostile}\nIt touches ${hostile}`,
          tool: { name: `Bash${hostile}`, kind: "execute", input: { command: hostile } },
          options: [{ id: "approve_once", label: hostile }],
          expires_at: 0,
        },
      },
      { type: "input_resolved", data: { request_id: "r1", decision: "deny", by: hostile, message: hostile } },
    ]);
    expect(text).not.toMatch(/[^\P{Cc}\n]|[\u202a-\u202e]/u);
    const written = "‹U+001B›]0;owned‹U+0007›‹U+001B›[2Jrm -rf /‹U+202E›";
    expect(text).toContain(`? asks for permission [r1${written}]\n  Bash: ${written}\n  It touches ${written}\n`);
    expect(text).toContain(`{"command":"\\u001b]0;owned\\u0007\\u001b[2Jrm -rf /‹U+202E›"}`);
    expect(text).toContain("open until 1970-01-01T00:00:00.000Z");
    expect(text).toContain(`: ${written}`);
  });

  test("shows its choices by number", () => {
    const data = {
      request_id: "r1",
      turn_id: "t1",
      kind: "question" as const,
      message: "Which colour?",
      questions: [{ id: "q1", text: "Which colour?", multiple: true, free_text: true }],
      options: [
        { id: "q1.1", label: "Red", description: "Warm", question: "q1" },
        { id: "q1.2", label: "Blue", question: "q1" },
      ],
    };
    expect(shown([{ type: "input_required", data }])).toBe(
      [
        "? asks [r1]",
        "  1. Which colour? (several may be chosen, or say it in your words)",
        "     1) Red: Warm",
        "     2) Blue",
        "",
      ].join("\n"),
    );
  });
});

describe("a turn", () => {
  test("reads like a conversation", () => {
    const events: SessionEvent[] = [
      { type: "user_message", data: { turn_id: "t1", kind: "prompt", text: "List\nthe files" } },
      delta("m1", "I will "),
      delta("m1", "look."),
      whole("m1", "I will look."),
      {
        type: "tool_use",
        data: { turn_id: "t1", id: "c1", name: "Bash", kind: "execute", input: { command: "ls -la" } },
      },
      {
        type: "tool_result",
        data: { turn_id: "t1", id: "c1", name: "Bash", output: "a.txt\nb.txt\n", is_error: false, duration_ms: 12 },
      },
      whole("m2", "Two files."),
      result({
        text: "Two files.",
        cost_usd: 0.0123,
        usage: { input_tokens: 100, output_tokens: 56, cache_read_input_tokens: 1100, cache_creation_input_tokens: 0 },
      }),
      { type: "exit", data: { code: 0 } },
    ];
    expect(shown(events)).toBe(
      [
        "› List",
        "  the files",
        "I will look.",
        "● Bash  ls -la",
        "  a.txt",
        "  b.txt",
        "Two files.",
        "— success · 3.2s · $0.0123 · 1.2k in (1.1k cached), 56 out",
        "■ The agent ended with code 0",
        "",
      ].join("\n"),
    );
  });

  test("shows the text of its result when nobody has seen it", () => {
    expect(shown([result({ text: "Hello" })])).toBe("Hello\n— success · 3.2s · 0 in, 0 out\n");
  });

  test("shows what went wrong, though text was seen", () => {
    const events = [
      whole("m1", "Working."),
      result({ status: "error", text: "Overloaded", error_category: "upstream_api_error" }),
    ];
    expect(shown(events)).toBe("Working.\nOverloaded\n— error · upstream_api_error · 3.2s · 0 in, 0 out\n");
  });

  test("begun by the agent says so", () => {
    expect(shown([result({ origin: "agent", duration_ms: 65_000, cost_usd: 2 })])).toBe(
      "— success · 1m 05s · $2.00 · 0 in, 0 out · begun by the agent\n",
    );
  });
});

describe("a message in pieces", () => {
  test("appears as it comes, and its end is not repeated", () => {
    const renderer = new Renderer({ colour: false, sessionId: "s" });
    const pieces = [delta("m1", "He"), delta("m1", "llo"), whole("m1", "Hello"), whole("m2", "Bye")];
    expect(pieces.map((event) => renderer.value(event))).toEqual(["He", "llo", "\n", "Bye\n"]);
  });

  test("is marked when the agent took it back", () => {
    expect(shown([delta("m1", "Hal"), whole("m1", "Hal", true), whole("m2", "Bye")])).toBe(
      "Hal\n(the agent took this back)\nBye\n",
    );
  });

  test("gives way to other things and is not repeated after them", () => {
    const events: SessionEvent[] = [
      delta("m1", "Half"),
      { type: "user_message", data: { turn_id: "t1", kind: "steer", text: "Stop", by: "ann" } },
      delta("m1", " way"),
      whole("m1", "Half way"),
    ];
    expect(shown(events)).toBe("Half\n› (steer) ann: Stop\n way\n");
  });
});

describe("tools", () => {
  test("long results are cut, with a count of what was cut", () => {
    const output = Array.from({ length: 50 }, (_, line) => `line ${line}`).join("\n");
    const lines = shown([
      { type: "tool_result", data: { turn_id: "t1", id: "c1", name: "Read", output, is_error: false, duration_ms: 1 } },
    ]).split("\n");
    expect(lines).toEqual([
      "  Read:",
      ...Array.from({ length: 8 }, (_, line) => `  line ${line}`),
      "  … 42 more lines",
      "",
    ]);
  });

  test("a subagent's stand under its call, an unreported result is named", () => {
    expect(
      shown([
        {
          type: "tool_use",
          data: { turn_id: "t1", id: "c2", name: "search", server: "web", kind: "fetch", input: {}, parent_id: "c1" },
        },
        {
          type: "tool_result",
          data: {
            turn_id: "t1",
            id: "c2",
            name: "search",
            output: "",
            is_error: true,
            duration_ms: 0,
            parent_id: "c1",
            synthetic: true,
          },
        },
      ]),
    ).toBe("  ● web·search\n    (the agent never reported a result)\n");
  });
});

describe("failures", () => {
  test("carry their category and whether trying again helps", () => {
    expect(
      shown([
        {
          type: "error",
          data: { code: "api_error", message: "529 Overloaded", retryable: true, error_category: "upstream_api_error" },
        },
        {
          type: "exit",
          data: { code: 137, signal: "SIGKILL", error_detail: "killed\nby the kernel", error_category: "oom" },
        },
      ]),
    ).toBe(
      "✗ upstream_api_error: 529 Overloaded (trying again may help)\n■ The agent ended with SIGKILL, code 137 · oom\n  killed\n  by the kernel\n",
    );
  });
});

describe("an end behind a turn that was interrupted says so", () => {
  const interrupted = result({ status: "interrupted" });
  test.each<[string, SessionEvent[], string]>([
    ["of a session for one prompt", [interrupted], "ended with code 1 after its last turn was interrupted"],
    ["but not of one that went on", [interrupted, result({ status: "error" })], "ended with code 1"],
  ])("%s", (_, before, end) => {
    const lines = shown([...before, { type: "exit", data: { code: 1 } }]).split("\n");
    expect(lines.at(-2)).toBe(`■ The agent ${end}`);
  });

  test("beside its category", () => {
    const end: SessionEvent = { type: "exit", data: { code: 130, signal: "SIGINT", error_category: "stopped" } };
    expect(shown([interrupted, end]).split("\n").at(-2)).toBe(
      "■ The agent ended with SIGINT, code 130 after its last turn was interrupted · stopped",
    );
  });
});

test("an end that was nobody's wish says how to go on", () => {
  const lost = { error_category: "sidecar_lost", retryable: true } as const;
  expect(
    shown([
      { type: "error", data: { code: "sidecar_lost", message: "it was lost", ...lost } },
      { type: "exit", data: { code: -1, error_detail: "it was lost", ...lost } },
    ]),
  ).toBe(
    '✗ sidecar_lost: it was lost\n■ The agent ended with code -1 · sidecar_lost\n  To go on from here: agentd run --resume s "…"\n',
  );
});

describe("an error", () => {
  test.each([
    {
      from: "an older sidecar",
      given: {},
      shows: /^ {2}Log in with the agent's own program, or set agents\.NAME\.key_env/,
    },
    { from: "the daemon", given: { advice: "Set THE_KEY" }, shows: /^ {2}Set THE_KEY$/ },
  ])("is shown once, though result and exit repeat it, with the advice of $from", ({ given, shows }) => {
    const message = "Not logged in";
    const about = { message, retryable: false, error_category: "auth_error" } as const;
    const events: SessionEvent[] = [
      { type: "error", data: { code: "agent_failed", ...about, ...given } },
      result({ status: "error", text: message, error_category: "auth_error" }),
      { type: "exit", data: { code: 1, error_detail: `${message}\n`, error_category: "auth_error" } },
    ];
    expect(shown(events).split("\n")).toEqual([
      "✗ auth_error: Not logged in",
      expect.stringMatching(shows),
      "— error · auth_error · 3.2s · 0 in, 0 out",
      "■ The agent ended with code 1 · auth_error",
      "",
    ]);
  });
});

describe("hostile text", () => {
  const cases: [what: string, text: string, plain: string][] = [
    ["colours", "\x1b[31mred\x1b[0m", "red"],
    ["cursor moves", "a\x1b[2J\x1b[1;1Hb", "ab"],
    ["a window title", "a\x1b]0;evil\x07b", "ab"],
    ["a clipboard write ended by ST", "a\x1b]52;c;ZXZpbA==\x1b\\b", "ab"],
    ["a hyperlink", "\x1b]8;;http://evil\x1b\\text\x1b]8;;\x1b\\", "text"],
    ["the mark of a title without end, and no more", "a\x1b]0;evil\nb", "a0;evil\nb"],
    ["nothing of a string that is longer than anybody needs", `\x1bP${"x".repeat(4097)}\x07b`, `${"x".repeat(4097)}b`],
    ["8-bit sequences", "a\x9b31mb\x9d0;t\x9cc", "abc"],
    ["carriage returns that overwrite", "safe\rrm -rf", "saferm -rf"],
    ["backspaces and bells", "a\b\x07b", "ab"],
    ["marks that reorder text", "a\u202eb\u2066c", "abc"],
    ["tabs, line ends and emoji", "a\tb\nc 👩‍💻\r\nd", "a\tb\nc 👩‍💻\nd"],
  ];
  test.each(cases)("loses %s", (_what, text, plain) => expect(plainText(text)).toBe(plain));

  test("cut by deltas stays harmless", () => {
    expect(shown([delta("m1", "a\x1b"), delta("m1", "]0;t\x07b")])).toBe("a]0;tb\n");
  });

  test("reaches no part of any event", () => {
    const evil = "\x1b]0;x\x07\x1b[31mE";
    const text = shown([
      { type: "user_message", data: { turn_id: null, kind: "context", text: evil, by: evil } },
      whole("m1", evil),
      { type: "tool_use", data: { turn_id: "t1", id: evil, name: evil, kind: "other", input: { [evil]: evil } } },
      {
        type: "tool_result",
        data: { turn_id: "t1", id: "x", name: evil, output: evil, is_error: true, duration_ms: 1 },
      },
      result({ text: evil, reason: evil, status: "error" }),
      { type: "progress", data: { turn_id: null, kind: evil, message: evil } },
      { type: "system", data: { subtype: evil, text: evil } },
      { type: "error", data: { code: evil, message: evil, retryable: false } },
      { type: "stdout", data: { text: evil } },
      { type: "stderr", data: { text: evil } },
      { type: "exit", data: { code: 1, signal: evil, error_detail: evil } },
    ]);
    expect(text).toContain("E");
    expect(text).not.toMatch(/[^\P{Cc}\n]/u);
  });
});

describe("lines we do not know", () => {
  test("show what is readable, and say nothing about the rest", () => {
    const renderer = new Renderer({ colour: false, sessionId: "s" });
    expect(renderer.line('{"type":"novelty","data":{"text":"Something"}}')).toBe("· novelty: Something\n");
    expect(renderer.line('{"type":"novelty","data":{"x":1}}')).toBe("");
    expect(renderer.line("garbage\x1b[2J")).toBe("· unreadable: garbage\n");
  });
});

test("colours appear only when asked for", () => {
  const renderer = new Renderer({ colour: true, sessionId: "s" });
  expect(renderer.value({ type: "stderr", data: { text: "warning" } })).toBe("\x1b[2mwarning\x1b[0m\n");
});
