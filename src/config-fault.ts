/** What is wrong with what a person wrote into a file, in a sentence. Pure. */
import * as z from "zod";
import { nearWord } from "./near-word.ts";

/** More of them are told when these are mended. */
const faultsMax = 3;

export function configFault(error: z.ZodError, schema: z.ZodType): string {
  const faults = error.issues.slice(0, faultsMax).map((issue) => faultOf(issue, schema));
  const more = error.issues.length - faults.length;
  return `${faults.join("; ")}${more > 0 ? `; and ${more} more` : ""}`;
}

function faultOf(issue: z.core.$ZodIssue, schema: z.ZodType): string {
  const path = issue.path.map(String);
  const where = path.length === 0 ? "" : ` in "${path.join(".")}"`;
  if (issue.code === "unrecognized_keys") {
    const known = keysAt(schema, path);
    return issue.keys.map((key) => `unknown key ${JSON.stringify(key)}${where}${hintFor(key, known)}`).join("; ");
  }
  return path.length === 0 ? issue.message : `"${path.join(".")}": ${issue.message}`;
}

function hintFor(key: string, known: readonly string[]): string {
  const near = nearWord(key, known);
  return near === undefined ? "" : `, did you mean ${JSON.stringify(near)}?`;
}

/** The keys that the object at this path may have; none where there is no object. */
function keysAt(schema: z.core.$ZodType, path: readonly string[]): string[] {
  let at = bare(schema);
  for (const step of path) {
    if (at instanceof z.ZodRecord) at = bare(at.valueType);
    else if (at instanceof z.ZodObject && at.shape[step]) at = bare(at.shape[step]);
    else return [];
  }
  return at instanceof z.ZodObject ? Object.keys(at.shape) : [];
}

/** Without what says that it may be absent. */
function bare(schema: z.core.$ZodType): z.core.$ZodType {
  let at = schema;
  while (at instanceof z.ZodOptional || at instanceof z.ZodDefault || at instanceof z.ZodPrefault) at = at.unwrap();
  return at;
}
