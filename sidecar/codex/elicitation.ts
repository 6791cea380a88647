/** A form that an MCP server wants a person to fill in → the questions of an `input_required`, and answers → the form. Pure. */
import * as z from "zod";
import type { InputAnswer } from "../../src/protocol/command.ts";
import type { InputRequired } from "../../src/protocol/event.ts";

const text = z.string().optional().catch(undefined);

export const Elicitation = z.looseObject({
  serverName: z.string().catch(""),
  mode: z.string().catch(""),
  message: z.string().catch(""),
  url: text,
  _meta: z
    .looseObject({
      codex_approval_kind: text,
      tool_name: text,
      tool_params: z.unknown().optional(),
      persist: z.array(z.string()).catch([]).default([]),
    })
    .nullish()
    .catch(undefined),
  requestedSchema: z
    .looseObject({
      properties: z
        .record(
          z.string(),
          z.looseObject({
            type: text,
            title: text,
            description: text,
            enum: z.array(z.string()).optional().catch(undefined),
          }),
        )
        .catch({}),
    })
    .optional()
    .catch(undefined),
});
export type Elicitation = z.infer<typeof Elicitation>;

export function formQuestions({ requestedSchema }: Elicitation): Pick<InputRequired, "questions" | "options"> {
  const fields = Object.entries(requestedSchema?.properties ?? {});
  return {
    questions: fields.map(([id, field]) => ({
      id,
      text: field.description ?? field.title ?? id,
      multiple: field.type === "array",
      free_text: field.enum === undefined,
    })),
    options: fields.flatMap(([question, field]) =>
      (field.enum ?? []).map((choice) => ({ id: choice, label: choice, question })),
    ),
  };
}

/** Numbers and booleans as the form wants them; what cannot be read as such stays text, for the server to refuse. */
export function formContent({ requestedSchema }: Elicitation, { answers = {}, message }: InputAnswer): object {
  const fields = Object.entries(requestedSchema?.properties ?? {});
  return Object.fromEntries(
    fields.flatMap(([id, field]) => {
      const given = Object.hasOwn(answers, id) ? answers[id] : fields.length === 1 ? message : undefined;
      return given === undefined ? [] : [[id, fieldValue(given, field.type)] as const];
    }),
  );
}

function fieldValue(given: string | string[], type: string | undefined): unknown {
  if (type === "array") return typeof given === "string" ? [given] : given;
  const one = typeof given === "string" ? given : given.join(", ");
  if (type === "boolean" && /^(true|false)$/.test(one)) return one === "true";
  if ((type === "number" || type === "integer") && one.trim() !== "" && Number.isFinite(Number(one)))
    return Number(one);
  return one;
}
