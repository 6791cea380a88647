/** Code between the ends of an escape, which a terminal would take for a title: who approves it has to read it. */
import { eventually } from "../../support/eventually.ts";
import type { Attack } from "./attack.ts";
import type { Ground } from "./ground.ts";

interface Stage {
  ground: Ground;
}

const hidden = "touch approved-unread";
const inEscape = `\x1b]*/${hidden}/*\x07`;
const in8Bit = `\u009d;${hidden};:\u009c`;

/** The agent that asks so, in Claude Code's words; behind `init`. */
export const hidingAgent = "hides";
export function hidingStory(init: { session_id: string }): readonly object[] {
  const { session_id } = init;
  const said = { session_id, parent_tool_use_id: null };
  const edit = { file_path: "/a.ts", old_string: "return 1;", new_string: `/*${inEscape}*/ return 1;` };
  const calls = [
    { type: "tool_use", id: "e1", name: "Edit", input: edit },
    { type: "tool_use", id: "b1", name: "Bash", input: { command: `ls${inEscape}` } },
  ];
  const came = [{ type: "tool_result", tool_use_id: "b1", content: `<output>${inEscape}${in8Bit}` }];
  const asked = { subtype: "can_use_tool", tool_name: "Bash", input: { command: `ls${in8Bit}` }, tool_use_id: "u1" };
  return [
    init,
    { type: "assistant", message: { id: "m1", role: "assistant", content: calls }, ...said },
    { type: "user", message: { role: "user", content: came }, ...said },
    { type: "control_request", request_id: "asked", request: asked },
  ];
}

interface Shown {
  inputs: string;
  page: string;
}
const shownTo = new WeakMap<Stage, Promise<Shown>>();

/** The agent's question as it stands open, and its conversation as a page. */
function shown(stage: Stage): Promise<Shown> {
  const known = shownTo.get(stage) ?? show(stage);
  shownTo.set(stage, known);
  return known;
}

async function show({ ground: { daemon } }: Stage): Promise<Shown> {
  const asking = { agent: hidingAgent, permission_mode: "interactive", prompt: "go" };
  const { body } = await daemon.post("/sessions", asking);
  await eventually(async () => (await daemon.get(`/sessions/${body.session_id}`)).body.inputs?.length === 1);
  const inputs = (await daemon.cli("inputs", body.session_id)).stdout;
  await daemon.post(`/sessions/${body.session_id}/stop`);
  await eventually(async () => (await daemon.get(`/sessions/${body.session_id}`)).body.ended_at);
  const page = (await daemon.cli("export", body.session_id)).stdout;
  return { inputs, page };
}

/** What a reader sees of the code in the line that holds these words. */
function seenIn(text: string, words: string): string {
  const line = text.split("\n").find((candidate) => candidate.includes(words));
  if (line === undefined) return "it is not shown";
  if (/[^\P{Cc}\t]/u.test(line)) return "it reaches the terminal";
  return line.includes(hidden) ? "all of it is read" : "nothing of it is read";
}

const asOutput: Attack<Stage>["control"] = {
  name: "the same bytes as output of a tool",
  meets: "nothing of it is read",
  attempt: async (stage) => seenIn((await shown(stage)).page, "<output>"),
};

export const hiddenCode: readonly Attack<Stage>[] = [
  {
    name: "a command between the ends of an escape, in a question (`inputs`)",
    meets: "all of it is read",
    attempt: async (stage) => seenIn((await shown(stage)).inputs, 'Bash {"command":"ls'),
    control: asOutput,
  },
  {
    name: "a command between the ends of an escape, in the title of a call (`export`)",
    meets: "all of it is read",
    attempt: async (stage) => seenIn((await shown(stage)).page, "● `Bash"),
    control: asOutput,
  },
  {
    name: "code between the ends of an escape, in a change of a file (`export`)",
    meets: "all of it is read",
    attempt: async (stage) => seenIn((await shown(stage)).page, "+/*"),
    control: asOutput,
  },
];
