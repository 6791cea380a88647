/** `agentd inputs`, `approve`, `deny`: what an agent asks a person, and the answers, without attaching. */
import * as z from "zod";
import { findSession } from "../src/client/find-session.ts";
import { answerInput, getSession } from "../src/client/sessions.ts";
import type { InputAnswer } from "../src/protocol/command.ts";
import { AgentdError } from "../src/protocol/error.ts";
import { type CommandContext, DaemonOptions, locate } from "./client-options.ts";
import { paintColours, paintNothing } from "./event-text.ts";
import { exitCode, UsageError } from "./exit-code.ts";
import { inputRequiredText } from "./input-text.ts";
import { findInput, readAnswer } from "./open-questions.ts";
import { plainLine } from "./plain-text.ts";

export const InputsOptions = DaemonOptions.extend({ json: z.boolean().default(false) });

export async function listInputs(
  typedId: string,
  options: z.infer<typeof InputsOptions>,
  { env, terminal }: CommandContext,
): Promise<number> {
  const address = await locate(options, env);
  const { session_id, inputs, ended_at } = await getSession(address, await findSession(address, typedId));
  if (options.json) terminal.out(`${JSON.stringify(inputs, undefined, 2)}\n`);
  else if (inputs.length === 0)
    terminal.note(`No question is open${ended_at === undefined ? "" : `: session ${session_id} has ended`}`);
  else {
    const paint = terminal.colour ? paintColours : paintNothing;
    terminal.out(inputs.map((input) => inputRequiredText(input, paint)).join(""));
  }
  return exitCode.ok;
}

export const ApproveOptions = DaemonOptions.extend({
  session: z.boolean().default(false),
  answer: z.string().optional(),
});

export const DenyOptions = DaemonOptions.extend({ message: z.string().optional() });

/** Which question of which session; without a request the one that has waited longest. */
export interface Which {
  typedId: string;
  request: string | undefined;
}

export async function approve(
  which: Which,
  options: z.infer<typeof ApproveOptions>,
  context: CommandContext,
): Promise<number> {
  return answerWith({ ...which, wordsOption: "--answer" }, options, context, (input) => {
    if (options.answer !== undefined) return readAnswer(input, options.answer);
    if (input.kind === "question") throw new UsageError("This is a question: answer it with --answer TEXT, or deny it");
    return { decision: options.session ? "approve_session" : "approve_once" };
  });
}

export async function deny(
  which: Which,
  options: z.infer<typeof DenyOptions>,
  context: CommandContext,
): Promise<number> {
  const { message } = options;
  return answerWith({ ...which, wordsOption: "--message" }, options, context, () => ({
    decision: "deny",
    ...(message === undefined ? {} : { message }),
  }));
}

async function answerWith(
  { typedId, request, wordsOption }: Which & { wordsOption: string },
  options: DaemonOptions,
  { env, terminal }: CommandContext,
  answerTo: (input: ReturnType<typeof findInput>) => InputAnswer,
): Promise<number> {
  const address = await locate(options, env);
  const id = await findSession(address, typedId);
  const { inputs, ended_at } = await getSession(address, id);
  if (ended_at !== undefined)
    throw new AgentdError("session_ended", `Cannot answer in session "${id}": it has ended`, {
      details: { session_id: id },
    });
  if (request !== undefined && /\s/.test(request) && !inputs.some(({ request_id }) => request_id.startsWith(request)))
    throw new UsageError(
      `Cannot take ${JSON.stringify(request.slice(0, 80))} for the id of a question. To say it to the agent: ${wordsOption} ${JSON.stringify(request.slice(0, 80))}`,
    );
  const input = findInput(inputs, request);
  const { decision } = await answerInput(address, { id, requestId: input.request_id, answer: answerTo(input) });
  terminal.note(`Answered ${plainLine(input.request_id, 80)}: ${decision}`);
  return exitCode.ok;
}
