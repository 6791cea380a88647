/** What an agent asked of its model, as far as the probe's model has to know it. Pure. */
import * as z from "zod";

/** The words by which the probe's prompts are known, wherever an agent puts them. */
export const probeWords = {
  text: "agentd-probe-text",
  tool: "agentd-probe-tool",
  wait: "agentd-probe-wait",
  recall: "agentd-probe-recall",
} as const;
export type ProbeWord = keyof typeof probeWords;

export type ProbeAnswer =
  | { kind: "text"; text: string }
  | { kind: "tool"; name: string; input: Record<string, string> }
  /** Text without an end. */
  | { kind: "endless" };

export const answers = {
  text: "agentd-probe-said",
  recalled: "agentd-probe-remembers",
  toolOutput: "agentd-probe-ran",
};

const Tool = z.looseObject({ name: z.string().optional() });
const Item = z.looseObject({
  type: z.string().optional(),
  role: z.string().optional(),
  content: z.unknown().optional(),
});
/** Of the Messages API (`messages`) and of the Responses API (`input`). */
export const ModelRequest = z.looseObject({
  model: z.string().default("unknown"),
  stream: z.boolean().default(false),
  tools: z.array(Tool).default([]),
  messages: z.array(Item).optional(),
  input: z.union([z.array(Item), z.string()]).optional(),
});
export type ModelRequest = z.infer<typeof ModelRequest>;

/** Agents call their shell by these names. */
const shells: Readonly<Record<string, (command: string) => Record<string, string>>> = {
  Bash: (command) => ({ command, description: "Say a word" }),
  bash: (command) => ({ command, description: "Say a word" }),
  exec_command: (cmd) => ({ cmd }),
};

export function answerTo(request: ModelRequest): ProbeAnswer {
  const items = request.messages ?? (Array.isArray(request.input) ? request.input : []);
  const texts = items.map((item) => JSON.stringify(item));
  const isOf = (word: ProbeWord) => (text: string) => text.includes(probeWords[word]);
  const asked = (Object.keys(probeWords) as ProbeWord[])
    .map((word) => ({ word, at: texts.findLastIndex(isOf(word)) }))
    .reduce((latest, each) => (each.at > latest.at ? each : latest), { word: "text", at: -1 });
  const shell = request.tools.find(({ name }) => name !== undefined && Object.hasOwn(shells, name))?.name;
  // Titles and summaries are asked for without tools, with the same words in them.
  if (shell === undefined) return { kind: "text", text: answers.text };
  switch (asked.word) {
    case "tool": {
      const isDone = texts.slice(asked.at).some((text) => text.includes(answers.toolOutput));
      if (isDone) return { kind: "text", text: answers.text };
      // Its words come together only when it runs.
      const input = shells[shell]?.(`printf '%s-%s\\n' agentd-probe ran`) ?? {};
      return { kind: "tool", name: shell, input };
    }
    case "wait":
      return { kind: "endless" };
    case "recall":
      return { kind: "text", text: texts.some(isOf("text")) ? answers.recalled : "nothing" };
    default:
      return { kind: "text", text: answers.text };
  }
}
