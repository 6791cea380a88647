/** What is wrong with something that came from outside, in a sentence for people. Pure. */
import type * as z from "zod";

/** Path, what was found to be wrong, for the first issue; the rest usually follows from it. */
export function firstIssue(error: z.ZodError): string {
  const issue = error.issues[0];
  if (!issue) return "it is not valid";
  if (issue.code === "unrecognized_keys")
    return `unknown field ${namesOf(issue.keys)}${issue.path.length > 0 ? ` in "${issue.path.join(".")}"` : ""}`;
  return issue.path.length > 0 && !issue.message.includes(String(issue.path[0]))
    ? `"${issue.path.join(".")}": ${issue.message}`
    : issue.message;
}

/** Those that are named in an answer: who sent a million is not sent them back. */
const namesMax = 5;
const nameCharsMax = 80;

function namesOf(keys: readonly string[]): string {
  const names = keys.slice(0, namesMax).map((key) => JSON.stringify(key.slice(0, nameCharsMax)));
  return `${names.join(", ")}${keys.length > namesMax ? ` and ${keys.length - namesMax} more` : ""}`;
}
