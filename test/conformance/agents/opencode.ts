import { opencodeBinary } from "../../support/opencode-daemon.ts";
import { startScriptedModel } from "../../support/scripted-model.ts";
import type { AgentUnderTest } from "../agent-under-test.ts";

const options = [
  { label: "Red", description: "Warm" },
  { label: "Blue", description: "Cold" },
];
const question = { header: "Colour", question: "Which colour?", options };
const shell = (command: string) => `[[call:bash ${JSON.stringify({ command, description: "Run a command" })}]]`;

export const opencode: AgentUnderTest = {
  name: "opencode",
  startModel: startScriptedModel,
  entry: (base_url) => ({
    harness: "opencode",
    command: opencodeBinary(),
    key_env: "TEST_MODEL_KEY",
    base_url,
    env: { OPENCODE_MAX_RETRIES: "1" },
  }),
  request: {},
  words: {
    shell,
    makeFile: (path) => shell(`touch ${path}`),
    weather: '[[call:lab_weather {"city":"Rome"}]]',
    question: `[[call:question ${JSON.stringify({ questions: [question] })}]]`,
    structured: '[[call:StructuredOutput {"answer":4}]]',
  },
  questionTool: "question",
  otherModel: "anthropic/claude-opus-4-5",
  unknownConversation: "ses_nosuchconversation000000",
  isAgent: (line) => line.includes("--hostname"),
  injector: {
    file: "injects-events.mjs",
    unknown: [
      '{"type":"galaxy.updated","properties":{"planets":[1,2,3]}}',
      '{"type":"message.updated","properties":{"sessionID":"x","info":"not an object"}}',
    ],
  },
  customAgent: ".opencode/agents/critic.md",
  differs: { outlivesItsInput: true },
};
