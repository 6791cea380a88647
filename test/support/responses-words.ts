/** The Responses API in terms of the words that the scripted model knows: requests become its own, answers Codex's. Pure. */
import * as z from "zod";
import type { MessageAnswer, ModelRequest, ToolCall } from "./model-words.ts";

const Part = z.looseObject({ type: z.string(), text: z.string().optional() });

/** A request to the Responses API, as far as we read it. */
export const ResponsesRequest = z.looseObject({
  model: z.string(),
  stream: z.boolean().optional(),
  prompt_cache_key: z.string().optional(),
  instructions: z.string().optional(),
  input: z.array(
    z.looseObject({
      type: z.string().default("message"),
      role: z.string().optional(),
      content: z.union([z.string(), z.array(Part)]).optional(),
    }),
  ),
});
export type ResponsesRequest = z.infer<typeof ResponsesRequest>;

type Item = ResponsesRequest["input"][number];

/** What Codex itself says in the role of the user (0.169.0). */
const ownWords = ["<environment_context>", "# AGENTS.md instructions", "<user_instructions>", "<turn_aborted>"];

function textsOf({ content }: Item): string[] {
  if (content === undefined) return [];
  if (typeof content === "string") return [content];
  return content.flatMap(({ text }) => (text ? [text] : []));
}

/** As one request to the Messages API: what people said, and one assistant message for each answer of the model. */
export function asModelRequest(request: ResponsesRequest): ModelRequest {
  const messages: ModelRequest["messages"] = [];
  let isAnswering = false;
  for (const item of request.input) {
    const isAnswer = item.role === "assistant" || item.type.endsWith("_call") || item.type === "reasoning";
    if (isAnswer) {
      if (!isAnswering) messages.push({ role: "assistant", content: "" });
    } else if (item.role === "user") {
      const said = textsOf(item).filter((text) => !ownWords.some((word) => text.trimStart().startsWith(word)));
      if (said.length > 0) messages.push({ role: "user", content: said.map((text) => ({ type: "text", text })) });
    }
    isAnswering = isAnswer;
  }
  return { model: request.model, system: systemOf(request), messages };
}

/** With the place of the work dir in the words of the other agent, from which the scripted model takes it. */
function systemOf(request: ResponsesRequest): string {
  const all = request.input.flatMap(textsOf);
  const workDir = all.flatMap((text) => /<cwd>(.+?)<\/cwd>/.exec(text)?.[1] ?? []).at(-1);
  const system = request.input.filter(({ role }) => role === "developer" || role === "system").flatMap(textsOf);
  return [
    request.instructions ?? "",
    ...system,
    workDir === undefined ? "" : `Primary working directory: ${workDir}`,
  ].join("\n");
}

/** A call of the model's: of a function, or of a tool that takes free text. */
export interface CodexCall extends ToolCall {
  isFreeform: boolean;
  /** Group of tools that it is from. */
  namespace?: string;
}

/** Tools under the names that Codex offers them by. */
export function codexCalls({ toolCalls = [] }: MessageAnswer): CodexCall[] {
  return toolCalls.map(({ name, arguments: text }) => {
    const input: unknown = JSON.parse(text);
    const of = (key: string) =>
      typeof input === "object" && input !== null && key in input ? String(Reflect.get(input, key)) : "";
    switch (name) {
      case "Bash":
        return func("exec_command", { cmd: of("command") });
      case "Read":
        return func("exec_command", { cmd: `cat ${of("file_path")}` });
      case "Write":
        return patch(`*** Add File: ${of("file_path")}\n${lines(of("content"), "+")}`);
      case "Edit":
        return patch(
          `*** Update File: ${of("file_path")}\n@@\n${lines(of("old_string"), "-")}\n${lines(of("new_string"), "+")}`,
        );
      case "Agent":
        return { ...func("spawn_agent", { message: of("prompt") }), namespace: "multi_agent_v1" };
      default: {
        const [, namespace, tool = name] = /^(mcp__[^_]+)__(.+)$/.exec(name) ?? [];
        return { name: tool, arguments: text, isFreeform: false, ...(namespace === undefined ? {} : { namespace }) };
      }
    }
  });
}

const func = (name: string, input: object): CodexCall => ({
  name,
  arguments: JSON.stringify(input),
  isFreeform: false,
});
const patch = (body: string): CodexCall => ({
  name: "apply_patch",
  arguments: `*** Begin Patch\n${body}\n*** End Patch\n`,
  isFreeform: true,
});
const lines = (text: string, mark: string) =>
  text
    .replace(/\n$/, "")
    .split("\n")
    .map((line) => `${mark}${line}`)
    .join("\n");
