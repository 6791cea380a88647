import { claudeBinary } from "../../support/claude-binary.ts";
import { startScriptedModel } from "../../support/scripted-model.ts";
import type { AgentUnderTest } from "../agent-under-test.ts";

const colours = [
  { label: "Red", description: "Warm" },
  { label: "Blue", description: "Cold" },
];
const question = { question: "Which colour?", header: "Colour", options: colours, multiSelect: false };

export const claude: AgentUnderTest = {
  name: "claude",
  startModel: startScriptedModel,
  entry: (base_url) => ({
    harness: "claude",
    command: claudeBinary(),
    key_env: "TEST_MODEL_KEY",
    base_url,
    env: { CLAUDE_CODE_MAX_RETRIES: "2" },
  }),
  request: {},
  words: {
    shell: (command) => `[[bash:${command}]]`,
    makeFile: (path) => `[[bash:touch ${path}]]`,
    weather: '[[call:mcp__lab__weather {"city":"Rome"}]]',
    question: `[[call:AskUserQuestion ${JSON.stringify({ questions: [question] })}]]`,
    structured: '[[call:StructuredOutput {"answer":4}]]',
  },
  questionTool: "AskUserQuestion",
  otherModel: "claude-haiku-4-5",
  unknownConversation: "01a1fcbc-d765-4a62-8a75-a332fb121b5a",
  isAgent: (line) => line.includes("stream-json"),
  injector: {
    file: "injects-lines.mjs",
    unknown: ['{"type":"galaxy_update","planets":[1,2,3]}', '{"type":"assistant","message":"not an object"}'],
  },
  customAgent: ".claude/agents/critic.md",
  differs: {},
};
