import { describe, expect, test } from "vitest";
import { createLogger } from "../../../src/observe/logger.ts";
import { createRedactor } from "../../../src/observe/redact.ts";

const token = "token-of-the-daemon-0123456789";
const { value, text } = createRedactor([token, "short"]);

describe("what is redacted", () => {
  test.each([
    ["token", "x"],
    ["apiKey", "x"],
    ["api_key", "x"],
    ["ANTHROPIC_API_KEY", "x"],
    ["Authorization", "Bearer x"],
    ["accessToken", "x"],
    ["session-token", "x"],
    ["password", 1],
    ["credentials", { user: "u" }],
    ["set-cookie", ["a=b"]],
  ])("a field called %s, at any depth", (name, secret) => {
    expect(value({ a: [{ [name]: secret }] })).toEqual({ a: [{ [name]: "[redacted]" }] });
  });

  test.each(["env", "environment", "headers"])("every value in an object called %s, but no name", (name) => {
    expect(value({ spec: { [name]: { HARMLESS: "1", X: "2" } } })).toEqual({
      spec: { [name]: { HARMLESS: "[redacted]", X: "[redacted]" } },
    });
  });

  test.each([
    ["Authorization: Bearer abcdef123456", "Authorization: Bearer [redacted]"],
    ["key sk-ant-api03-AAAABBBBCCCC was refused", "key [redacted] was refused"],
    ["fetch https://user:pass@host/x failed", "fetch https://[redacted]@host/x failed"],
    ["OPENAI_API_KEY=abc123 codex", "OPENAI_API_KEY=[redacted] codex"],
    ["GET /x?token=abc&y=1", "GET /x?token=[redacted]&y=1"],
    [`sent ${token}, it said no`, "sent [redacted], it said no"],
  ])("in a text: %s", (given, shown) => {
    expect(text(given)).toBe(shown);
  });

  test("an error's message, stack, cause and fields", () => {
    const cause = Object.assign(new Error(`cannot use ${token}`), { token: "x", deeper: { password: "y" } });
    const shown = JSON.stringify(value({ error: new Error("it failed with Bearer abcdefghi", { cause }) }));
    expect(shown).not.toContain(token);
    expect(shown).not.toContain("abcdefghi");
    expect(shown).not.toMatch(/"(token|password)":"[xy]"/);
    expect(shown).toContain("it failed with Bearer [redacted]");
    expect(shown).toContain("cannot use [redacted]");
    expect(shown).toContain("redact.test.ts");
  });
});

test("names, numbers, counts of tokens and innocent words stay", () => {
  const innocent = {
    session_id: "11111111-2222-4333-8444-555555555555",
    input_tokens: 12,
    token_file: "/data/token",
    exit_code: 0,
    path: "/srv/short/keys.txt",
    monkey: "banana",
    isOk: true,
    none: null,
  };
  expect(value(innocent)).toEqual(innocent);
});

test("what has no end is cut: deep objects, long texts, circles", () => {
  const circle: Record<string, unknown> = {};
  circle["self"] = circle;
  expect(JSON.stringify(value(circle))).toContain("[deeper]");
  expect(String(value("x".repeat(100_000))).length).toBeLessThan(20_000);
});

test("a line is JSON with level, time and message; a child's fields are in each of its lines", () => {
  const lines: string[] = [];
  const logger = createLogger({ level: "info", secrets: [token], destination: { write: (line) => lines.push(line) } });
  const child = logger.child({ session_id: "s1", token: "x" });
  logger.log("debug", "nobody asked for this");
  child.log("warn", `cannot reach ${token}`, { error: new Error(`with ${token}`), env: { A: "1" } });
  expect(lines).toHaveLength(1);
  const [line = ""] = lines;
  expect(line).not.toContain(token);
  expect(JSON.parse(line)).toMatchObject({
    level: "warn",
    time: expect.stringMatching(/^\d{4}-\d\d-\d\dT.*Z$/),
    session_id: "s1",
    token: "[redacted]",
    msg: "cannot reach [redacted]",
    env: { A: "[redacted]" },
    error: { message: "with [redacted]" },
  });
});
