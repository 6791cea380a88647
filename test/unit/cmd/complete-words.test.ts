import { expect, test } from "vitest";
import { complete } from "../../../cmd/complete-words.ts";
import { createProgram } from "../../../cmd/program.ts";
import { noTerminal } from "../../support/no-terminal.ts";

const program = createProgram({ env: {}, terminal: noTerminal, exit: () => {} });

function words(...typed: string[]): string[] {
  const wanted = complete(program, typed);
  return wanted.type === "words" ? wanted.words.map(({ value }) => value) : [`(${wanted.type})`];
}

test("every command that help shows is offered, and none that it hides", () => {
  const shown = program.createHelp().visibleCommands(program);
  expect(words("")).toEqual(shown.map((command) => command.name()));
  expect(words("")).not.toContain("complete");
  expect(words("att")).toEqual(["attach"]);
  expect(words("nothing", "")).toEqual([]);
});

test("options are those of the command, down to the commands of a group", () => {
  expect(words("ls", "--a")).toEqual(["--agent", "--all"]);
  expect(words("serve", "--leave")).toEqual([]);
  expect(words("images", "")).toEqual(["build", "help"]);
  expect(words("images", "build", "")).toEqual(["agent", "proxy", "daemon"]);
  expect(words("images", "build", "--agent")).toEqual(["--agent-base"]);
  expect(words("attach", "--", "--js")).toEqual(["(sessions)"]);
});

test("values are the words that the option takes, files, folders or sessions", () => {
  expect(words("ls", "--state", "o")).toEqual(["orphaned"]);
  expect(words("ls", "--state=p")).toEqual(["--state=pending"]);
  expect(words("ls", "--state", "=", "p")).toEqual(["pending"]);
  expect(words("serve", "--runtime", "")).toEqual(["local", "docker"]);
  expect(words("serve", "--config", "")).toEqual(["(files)"]);
  expect(words("serve", "--data-dir=x")).toEqual(["(dirs)"]);
  expect(words("ls", "--agent", "")).toEqual([]);
});

test("sessions are asked of the daemon that was named, and only live ones where others make no sense", () => {
  expect(complete(program, ["attach", "--port", "81", "--data-dir=/d", "ab"])).toEqual({
    type: "sessions",
    prefix: "ab",
    lead: "",
    isLive: true,
    options: { port: 81, dataDir: "/d" },
  });
  expect(complete(program, ["logs", ""])).toMatchObject({ type: "sessions", isLive: false });
  expect(complete(program, ["run", "--resume=a"])).toMatchObject({ type: "sessions", lead: "--resume=", prefix: "a" });
});
