import { expect, test } from "vitest";
import { normalizeArgv } from "../../../cmd/argv.ts";
import { readTyped } from "../../../cmd/typed-line.ts";

const known = {
  options: new Map([
    ["help", false],
    ["version", false],
    ["json", false],
    ["port", true],
    ["runtime", true],
    ["name", true],
  ]),
  shortWithValue: new Set(["-n"]),
};

test.each<[string, string[], string[]]>([
  ["nothing serves", [], ["serve"]],
  ["options alone serve", ["--port", "8090", "--runtime", "local"], ["serve", "--port", "8090", "--runtime", "local"]],
  ["Go's single dashes", ["-port", "8090", "-runtime=local"], ["serve", "--port", "8090", "--runtime=local"]],
  ["Go's switches", ["ls", "-json=true", "--json=false"], ["ls", "--json"]],
  ["options before the command", ["--port", "1", "--json", "ls"], ["ls", "--port", "1", "--json"]],
  ["options after the arguments", ["attach", "s1", "--port", "1"], ["attach", "s1", "--port", "1"]],
  ["a value that looks like an option", ["run", "--name", "-json", "hi"], ["run", "--name", "-json", "hi"]],
  ["a short option's value", ["-n", "x", "run", "hi"], ["run", "-n", "x", "hi"]],
  ["help of the program", ["--help"], ["--help"]],
  ["version of the program", ["-version"], ["--version"]],
  ["help of a command", ["run", "--help"], ["run", "--help"]],
  ["an unknown word is left to be refused", ["frob", "--json"], ["frob", "--json"]],
  ["what follows two dashes is left alone", ["run", "--", "-port", "--x"], ["run", "--", "-port", "--x"]],
  ["a single dash is an argument", ["run", "-"], ["run", "-"]],
  ["short options are left alone", ["run", "-i", "hi"], ["run", "-i", "hi"]],
])("%s", (_title, argv, wanted) => expect(normalizeArgv(argv, known)).toEqual(wanted));

test.each<[string, ReturnType<typeof readTyped>]>([
  ["fix it", { type: "prompt", text: "fix it" }],
  ["/steer use tabs", { type: "steer", text: "use tabs" }],
  ["/steer", { type: "mistake", message: "/steer needs a text: /steer use tabs, not spaces" }],
  ["/steering wheel", { type: "prompt", text: "/steering wheel" }],
  ["/interrupt", { type: "interrupt" }],
  ["/leave ", { type: "leave" }],
  ["/leave it", { type: "prompt", text: "/leave it" }],
  ["/compact", { type: "prompt", text: "/compact" }],
  ["//steer me", { type: "prompt", text: "/steer me" }],
  ["/approve", { type: "approve", isForSession: false, request: undefined }],
  ["/approve-session 6af4", { type: "approve", isForSession: true, request: "6af4" }],
  [
    "/approved by me",
    {
      type: "mistake",
      message: 'Nothing was done: "/approved" is no word of ours. Type /approve, or for the agent //approved',
    },
  ],
  [
    "/denny",
    { type: "mistake", message: 'Nothing was done: "/denny" is no word of ours. Type /deny, or for the agent //denny' },
  ],
  ["//denny", { type: "prompt", text: "/denny" }],
  ["/", { type: "prompt", text: "/" }],
  [
    "/de",
    { type: "mistake", message: 'Nothing was done: "/de" is no word of ours. Type /deny, or for the agent //de' },
  ],
  ["/review the diff", { type: "prompt", text: "/review the diff" }],
  ["/tmp/a.log is empty", { type: "prompt", text: "/tmp/a.log is empty" }],
  ["/help", { type: "mistake", message: expect.stringContaining("/interrupt or Ctrl+C ends it") }],
  ["/deny use the other folder", { type: "deny", reason: "use the other folder" }],
  ["/answer 2", { type: "answer", text: "2" }],
  ["/answer", { type: "mistake", message: "/answer needs a text, or the number of a choice" }],
  ["//approve", { type: "prompt", text: "/approve" }],
  ["   ", { type: "nothing" }],
])("typed %j", (line, wanted) => expect(readTyped(line)).toEqual(wanted));
