/** What the scripted model answers: words in double brackets in the last user text → an answer. Pure. */
import * as z from "zod";

/** A request to the Messages API, as far as we read it. */
export const ModelRequest = z.looseObject({
  model: z.string(),
  stream: z.boolean().optional(),
  metadata: z.looseObject({ user_id: z.string().optional() }).optional(),
  system: z.union([z.string(), z.array(z.looseObject({ text: z.string().optional() }))]).optional(),
  tools: z.array(z.looseObject({ name: z.string() })).optional(),
  messages: z.array(
    z.looseObject({
      role: z.string(),
      content: z.union([z.string(), z.array(z.looseObject({ type: z.string(), text: z.string().optional() }))]),
    }),
  ),
});
export type ModelRequest = z.infer<typeof ModelRequest>;

export interface ToolCall {
  name: string;
  arguments: string;
}

export interface MessageAnswer {
  kind: "message";
  text: string;
  toolCalls?: ToolCall[];
  thinking?: string;
  isCut?: boolean;
  usage?: { input_tokens: number; output_tokens: number };
}

/** How a stream of our own goes: pieces of text, with a pause before each, and an end that may be a bad one. */
export interface StreamAnswer {
  kind: "stream";
  pieces: number;
  piece(index: number): string;
  pauseMs: number;
  end: "whole" | "drop" | "error";
}

export type Answer = MessageAnswer | StreamAnswer | FailureAnswer | { kind: "silence" };

export interface FailureAnswer {
  kind: "failure";
  status: number;
  retryAfterS?: number;
  /** What the service says beside the status, where that is what counts. */
  error?: { type: string; message: string };
}

/** The last thing a person (or the agent itself) said, and how many answers of the model followed it. */
export interface LastWords {
  text: string;
  round: number;
}

/** How Claude Code 2.1.329 passes on what was said while it worked: a message of role `system`, wrapped in its own words. */
const folded = /^The user sent a new message while you were working:\n([\s\S]*?)(?:\n\nThis is how Claude Code|$)/;

function textBlocks(content: ModelRequest["messages"][number]["content"]): string[] {
  if (typeof content === "string") return [content];
  return content.flatMap((block) => (block.type === "text" && block.text ? [block.text] : []));
}

/** What people said in the message of a request, in texts; what the agent itself reminds the model of is left out. */
function saidBy({ role, content }: ModelRequest["messages"][number]): string[] {
  const texts = textBlocks(content);
  return role === "system"
    ? texts.flatMap((text) => folded.exec(text)?.[1] ?? [])
    : texts.filter((text) => role === "user" && !text.trimStart().startsWith("<system-reminder>"));
}

/** All that people said in the conversation so far, oldest first. */
export function saidIn(request: ModelRequest): string[] {
  return request.messages.flatMap(saidBy);
}

export function lastWords(request: ModelRequest): LastWords {
  let found: LastWords = { text: "", round: 0 };
  for (const message of request.messages) {
    if (message.role === "assistant") found = { ...found, round: found.round + 1 };
    const text = saidBy(message).at(-1);
    if (text !== undefined) found = { text, round: 0 };
  }
  return found;
}

/** The system prompt: its own member of the request, and messages of role `system` between the others. */
export function systemText(request: ModelRequest): string {
  const own =
    typeof request.system === "string" ? [request.system] : (request.system ?? []).map((block) => block.text ?? "");
  const between = request.messages.flatMap(({ role, content }) => {
    if (role !== "system") return [];
    return typeof content === "string" ? [content] : content.map((block) => block.text ?? "");
  });
  return [...own, ...between].join("\n");
}

/** Statuses that go on for ever unless a number says otherwise: waiting does not help against them. */
const lasting = new Set([400, 401, 403, 404]);
const fox = "The quick brown fox jumps over the lazy dog. ";

interface Scene extends LastWords {
  /** What stands behind the colon of the word. */
  argument: string | undefined;
  /** How many requests with these very words came before this one, from the same session. */
  asked: number;
  workDir: string | undefined;
}

const say = (text: string): MessageAnswer => ({ kind: "message", text });
const call = (text: string, ...calls: [name: string, input: object][]): MessageAnswer => ({
  kind: "message",
  text,
  toolCalls: calls.map(([name, input]) => ({ name, arguments: JSON.stringify(input) })),
});
const Input = z.record(z.string(), z.unknown());
const bash = (command: string): [string, object] => ["Bash", { command, description: "Run a command" }];
/** One answer a round; the last one is for good. */
const rounds = ({ round }: Scene, ...answers: Answer[]): Answer =>
  answers[Math.min(round, answers.length - 1)] ?? say("Done.");
const seconds = (scene: Scene, fallback: number) => Number(scene.argument ?? fallback);

const words: Readonly<Record<string, (scene: Scene) => Answer>> = {
  hello: () => say("Hello! How can I help you today?"),
  say: ({ argument }) => say(argument ?? ""),
  bash: (scene) =>
    rounds(scene, call("I will run it.", bash(scene.argument ?? "echo hi")), say("The command is done.")),
  bashfail: (scene) => rounds(scene, call("I will run it.", bash("echo broken >&2; exit 3")), say("It failed.")),
  parallel: (scene) =>
    rounds(scene, call("Two at once.", bash("sleep 0.3; echo one"), bash("echo two")), say("Both are done.")),
  badtool: (scene) => rounds(scene, call("Trying.", ["NoSuchTool", { x: 1 }]), say("There is no such tool.")),
  loop: (scene) => call(`Round ${scene.round + 1}.`, bash(`echo round ${scene.round + 1}`)),
  call: (scene) => {
    const [, name = "", input = "{}"] = /^(\S+)\s*([\s\S]*)$/.exec(scene.argument ?? "") ?? [];
    return rounds(scene, call("I will call it.", [name, Input.parse(JSON.parse(input || "{}"))]), say("It is called."));
  },
  plan: (scene) =>
    rounds(
      scene,
      call("I will plan first.", ["EnterPlanMode", {}]),
      call("This is my plan.", ["ExitPlanMode", { plan: scene.argument ?? "One step at a time." }]),
      say("The plan is settled."),
    ),
  edit: (scene) => {
    if (scene.workDir === undefined) return say("I do not know where I am.");
    const file_path = `${scene.workDir}/notes.txt`;
    return rounds(
      scene,
      call("Writing.", ["Write", { file_path, content: "one\ntwo\nthree\n" }]),
      call("Reading.", ["Read", { file_path }]),
      call("Editing.", ["Edit", { file_path, old_string: "two", new_string: "TWO" }]),
      say("The file is edited."),
    );
  },
  task: (scene) => {
    const prompt = scene.argument === undefined ? "[[bash:echo from the subagent]]" : `[[slow:${scene.argument}]]`;
    const input = { description: "Look around", prompt, subagent_type: "general-purpose" };
    return rounds(scene, call("I will ask a subagent.", ["Agent", input]), say("The subagent is at work."));
  },
  think: () => ({ ...say("I have thought about it."), thinking: "Let me think about this for a moment." }),
  maxtokens: () => ({ ...say("This answer is too long and"), isCut: true }),
  pricey: () => ({ ...say("That was expensive."), usage: { input_tokens: 400_000, output_tokens: 40_000 } }),
  slow: (scene) => {
    const pieces = Math.max(1, Math.round(seconds(scene, 3) * 10));
    return {
      kind: "stream",
      pieces,
      piece: (i) => fox.slice((i * 5) % 45, ((i * 5) % 45) + 5),
      pauseMs: 100,
      end: "whole",
    };
  },
  flood: (scene) => ({
    kind: "stream",
    pieces: seconds(scene, 1000),
    piece: (i) => `word${i} `,
    pauseMs: 0,
    end: "whole",
  }),
  /** Pieces that are numbered from 1, so many of them with so many milliseconds before each. */
  count: ({ argument = "" }) => {
    const [pieces = 1, pauseMs = 0] = argument.split(" ").map(Number);
    return { kind: "stream", pieces, piece: (i) => `#${i + 1}; `, pauseMs, end: "whole" };
  },
  /** The argument in pieces of two characters, as a model writes what it has no words for. */
  spell: ({ argument = "" }) => ({
    kind: "stream",
    pieces: Math.ceil(argument.length / 2),
    piece: (i) => argument.slice(i * 2, i * 2 + 2),
    pauseMs: 0,
    end: "whole",
  }),
  silent: () => ({ kind: "silence" }),
  quota: () => refusal(402, "billing_error", "Your account cannot be billed"),
  contextfull: () => refusal(400, "invalid_request_error", "prompt is too long: 210431 tokens > 200000 maximum"),
  drop: ({ asked }) => broken(asked, "drop"),
  sseerror: ({ asked }) => broken(asked, "error"),
};

function refusal(status: number, type: string, message: string): FailureAnswer {
  return { kind: "failure", status, error: { type, message } };
}

function broken(asked: number, end: "drop" | "error"): Answer {
  if (asked > 0) return say("The quick brown fox, whole this time.");
  return { kind: "stream", pieces: 3, piece: (i) => fox.slice(i * 6, i * 6 + 6), pauseMs: 20, end };
}

function failure(status: number, times: string | undefined, asked: number): Answer {
  const limit = times === undefined ? (lasting.has(status) ? Infinity : 2) : Number(times);
  if (asked >= limit) return say("Recovered.");
  return { kind: "failure", status, ...(status === 429 ? { retryAfterS: 1 } : {}) };
}

const word = /\[\[([a-z]+)(\d{3})?(?::([\s\S]*?))?\]\]/;
const echoCharactersMax = 500;

export function answerTo(request: ModelRequest, asked: number): Answer {
  const last = lastWords(request);
  const [, name = "", status, argument] = word.exec(last.text) ?? [];
  if (name === "err" && status !== undefined) return failure(Number(status), argument, asked);
  const workDir = /Primary working directory: (.+)/.exec(systemText(request))?.[1];
  const script = Object.hasOwn(words, name) ? words[name] : undefined;
  if (script) return script({ ...last, argument, asked, workDir });
  if (last.round > 0) return say("Done.");
  return say(`You said: ${last.text.slice(0, echoCharactersMax)}`);
}
