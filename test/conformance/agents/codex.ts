import { codexBinary, codexModel } from "../../support/codex-daemon.ts";
import { startScriptedResponses } from "../../support/scripted-responses.ts";
import type { AgentUnderTest } from "../agent-under-test.ts";

const options = [
  { label: "Red", description: "Warm" },
  { label: "Blue", description: "Cold" },
];
const question = { id: "colour", header: "Colour", question: "Which colour?", options };

/** The operator's own flags win over ours: two tries of each kind, so that failures are believed soon. */
const impatient = ["request_max_retries=1", "stream_max_retries=2"];

export const codex: AgentUnderTest = {
  name: "codex",
  startModel: startScriptedResponses,
  entry: (base_url) => ({
    harness: "codex",
    command: codexBinary(),
    args: impatient.flatMap((setting) => ["-c", `model_providers.agentruntime.${setting}`]),
    key_env: "TEST_MODEL_KEY",
    base_url,
  }),
  request: { model: codexModel },
  words: {
    shell: (command) => `[[bash:${command}]]`,
    makeFile: (path) => `[[bash:touch ${path}]]`,
    weather: '[[call:mcp__lab__weather {"city":"Rome"}]]',
    question: `[[call:request_user_input ${JSON.stringify({ questions: [question] })}]]`,
    structured: '[[say:{"answer":4}]]',
  },
  questionTool: "request_user_input",
  otherModel: "gpt-5.4",
  unknownConversation: "01a1fcbc-d765-7a62-8a75-a332fb121b5a",
  isAgent: (line) => line.includes("app-server"),
  injector: {
    file: "injects-lines.mjs",
    unknown: [
      '{"method":"galaxy/updated","params":{"planets":[1,2,3]}}',
      '{"method":"item/completed","params":{"item":"not an object"}}',
    ],
  },
  customAgent: undefined,
  differs: {},
};
