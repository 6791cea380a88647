import { programs, runs } from "../support/acp-daemon.ts";
import { startScriptedModel } from "../support/scripted-model.ts";
import { runHarnessSuite } from "./harness-suite.ts";
import { onThisMachine } from "./local-place.ts";

const { command, args, env, write } = programs.opencode;
/** It knows no limit of its own (1.18.33). */
const silentRetries = ["429 without recovery", "500", "503", "529", "connection refused"];

runHarnessSuite(
  {
    name: "acp",
    startModel: startScriptedModel,
    entry: (url) => ({ harness: "acp", command, args, env: env(url) }),
    request: {},
    words: {
      shell: (line) => runs("opencode", line),
      makeFile: write,
      weather: '[[call:lab_weather {"city":"Rome"}]]',
      question: undefined,
      structured: "",
    },
    questionTool: "question",
    otherModel: "anthropic/claude-opus-4-5",
    unknownConversation: "ses_nosuchconversation000000",
    isAgent: (line) => line === [command, ...args].join(" "),
    injector: {
      file: "injects-lines.mjs",
      unknown: [
        '{"jsonrpc":"2.0","method":"_galaxy/updated","params":{"planets":[1,2,3]}}',
        '{"jsonrpc":"2.0","method":"session/update","params":{"sessionId":"x","update":{"sessionUpdate":"dance"}}}',
      ],
    },
    customAgent: undefined,
    differs: {
      cannotSayWhy: true,
      asksFromStartOnly: true,
      silentServers: true,
      keepsCutText: true,
      silentRetries,
      // It says that the service refused, and keeps the answer to itself (1.18.33).
      categories: {
        "401": "upstream_api_error",
        "403": "upstream_api_error",
        "404: no such model": "upstream_api_error",
        "quota used up": "upstream_api_error",
      },
    },
  },
  onThisMachine,
);
