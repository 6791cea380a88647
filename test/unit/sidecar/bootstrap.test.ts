import { rmSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { refusal } from "../../../sidecar/access.ts";
import { assignmentOfPerson, decodePrompt, parseCleanupTimeout } from "../../../sidecar/bootstrap.ts";
import { readCommand } from "../../../sidecar/command-text.ts";
import { exitEvent } from "../../../sidecar/exit-event.ts";

describe("an assignment by hand", () => {
  it.each([
    ['["/usr/bin/Claude-Code"]', "claude", "claude"],
    ['["codex"]', "generic", "codex"],
    ['["/bin/Echo","x"]', "generic", "echo"],
  ])("%s is driven by the harness %s", (AGENT_CMD, harness, name) => {
    const { bootstrap } = assignmentOfPerson({ AGENT_CMD });
    rmSync(bootstrap.session_dir, { recursive: true });
    expect([bootstrap.agent.harness, bootstrap.agent.name]).toEqual([harness, name]);
  });

  it("hands on only what an agent needs of the environment, and what the config adds", () => {
    const { bootstrap } = assignmentOfPerson({
      AGENT_CMD: '["claude"]',
      AGENT_CONFIG: '{"env":{"LANG":"C","EXTRA":"1"}}',
      PATH: "/bin",
      LANG: "de",
      SECRET: "s",
    });
    rmSync(bootstrap.session_dir, { recursive: true });
    expect(bootstrap.agent.env).toEqual({ PATH: "/bin", LANG: "C", EXTRA: "1" });
  });

  it.each([
    ["aGk=", "hi"],
    ["aG\nk=", "hi"],
    ["say hi", "say hi"],
    ["héllo", "héllo"],
  ])("decodes the prompt %j as %j", (text, prompt) => expect(decodePrompt(text)).toBe(prompt));

  it.each([
    [undefined, 60_000],
    ["0", 0],
    ["5", 5_000],
    ["1m30s", 90_000],
  ])("takes %j as %i ms", (text, ms) => expect(parseCleanupTimeout(text)).toBe(ms));

  it.each(["team_name", "team_agent_name", "team_agent_id"])("refuses %s, as sessions form no teams", (field) => {
    const env = { AGENT_CMD: '["claude"]', AGENT_CONFIG: JSON.stringify({ [field]: "x" }) };
    expect(() => assignmentOfPerson(env)).toThrow(`AGENT_CONFIG has ${field}, and sessions form no teams`);
  });

  it("refuses other clean-up times", () => expect(() => parseCleanupTimeout("-1")).toThrow(/must be whole seconds/));
});

describe("access", () => {
  it.each([
    [{ host: "localhost:9090" }, undefined],
    [{ host: "[::1]:9090", origin: "http://127.0.0.1:3000" }, undefined],
    [{ host: "localhost.evil.example" }, 403],
    [{}, 403],
    [{ host: "localhost", origin: "null" }, 403],
  ])("on a port %j: %s", (headers, status) => {
    expect(refusal(headers, { token: "", isOnPort: true })?.status).toBe(status);
  });

  it.each([
    [{ authorization: "Bearer secret" }, undefined],
    [{ authorization: "Bearer secret2" }, 401],
    [{}, 401],
  ])("with a token %j: %s", (headers, status) => {
    expect(refusal(headers, { token: "secret", isOnPort: false })?.status).toBe(status);
  });
});

describe("a command as text", () => {
  it.each([
    ['{"type":"interrupt"}', { type: "interrupt", data: { reason: "user" } }],
    ['{"type":"interrupt","data":null}', { type: "interrupt", data: { reason: "user" } }],
    ['{"type":"mention","data":{"file_path":"/a","line_start":0}}', { type: "mention", data: { filePath: "/a" } }],
  ])("reads %s", (text, command) => expect(readCommand(text)).toEqual({ id: undefined, command }));

  it("keeps the id of a command that it refuses", () => {
    expect(readCommand('{"type":"mention","id":"3","data":{}}')).toMatchObject({
      id: "3",
      error: expect.stringMatching(/^invalid mention command at data.filePath/),
    });
  });
});

describe("the exit event", () => {
  it.each([
    [{ end: { code: 0, stderrTail: "noise" }, hasSpoken: false }, { code: 0 }],
    [
      { end: { code: 3, stderrTail: "bad" }, hasSpoken: true },
      { code: 3, error_detail: "bad" },
    ],
    [
      { end: { code: 137, signal: "SIGKILL", stderrTail: "" }, hasSpoken: true, stopReason: "stall" },
      { code: 137, signal: "SIGKILL", error_category: "stall", retryable: true },
    ],
    [
      { end: { code: 1, stderrTail: "x", detail: "no login", category: "auth_error" as const }, hasSpoken: false },
      { code: 1, error_detail: "no login", error_category: "auth_error", retryable: false },
    ],
    [
      { end: { code: 137, signal: "SIGKILL", stderrTail: "", isOutOfMemory: true as const }, hasSpoken: true },
      { code: 137, signal: "SIGKILL", error_category: "oom", retryable: true },
    ],
  ])("of %j", (ending, data) => expect(exitEvent(ending)).toEqual({ type: "exit", data }));
});
