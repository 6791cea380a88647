/**
 * What a schema of ours reads, as paths: `turn.error.message`, `[]` for a list's items, `{}` for a map's values. Where it
 * tells variants apart by a member, the path says which one: `item<type=text>.text`. Pure.
 */
import * as z from "zod";

export function zodPaths(schema: z.core.$ZodType, prefix = ""): string[] {
  if (schema instanceof z.ZodObject) return objectPaths(schema, prefix);
  if (schema instanceof z.ZodUnion) return unique(schema.options.flatMap((option) => zodPaths(option, prefix)));
  if (schema instanceof z.ZodArray) return zodPaths(schema.element, `${prefix}[]`);
  if (schema instanceof z.ZodRecord) return zodPaths(schema.valueType, `${prefix}{}`);
  if (schema instanceof z.ZodPipe) return zodPaths(schema.in, prefix);
  if (
    schema instanceof z.ZodOptional ||
    schema instanceof z.ZodNullable ||
    schema instanceof z.ZodDefault ||
    schema instanceof z.ZodPrefault ||
    schema instanceof z.ZodCatch
  )
    return zodPaths(schema.unwrap(), prefix);
  return prefix === "" ? [] : [prefix];
}

function objectPaths(schema: z.ZodObject, prefix: string): string[] {
  const members = Object.entries(schema.shape);
  return unique(
    variantsOf(members).flatMap((variant) =>
      members.flatMap(([name, value]) => {
        const path = `${prefix}${variant}.${name}`;
        // A member that is a list or an object is relied on as such, also when nothing is read in it.
        return [path, ...zodPaths(value, path)];
      }),
    ),
  );
}

function variantsOf(members: readonly [string, z.core.$ZodType][]): string[] {
  for (const [name, value] of members) {
    if (!["type", "role", "sessionUpdate"].includes(name)) continue;
    if (value instanceof z.ZodLiteral || value instanceof z.ZodEnum) {
      const values = value instanceof z.ZodLiteral ? [...value.values] : value.options;
      return values.map((each) => `<${name}=${String(each)}>`);
    }
  }
  return [""];
}

/** The same of a message that we send. */
export function samplePaths(value: unknown, prefix = ""): string[] {
  if (Array.isArray(value)) return unique(value.flatMap((item: unknown) => samplePaths(item, `${prefix}[]`)));
  if (typeof value !== "object" || value === null) return prefix === "" ? [] : [prefix];
  const members = Object.entries(value).filter(([, member]) => member !== undefined);
  const [, type] = members.find(([name, member]) => name === "type" && typeof member === "string") ?? [];
  const variant = type === undefined ? "" : `<type=${String(type)}>`;
  return unique(
    members.flatMap(([name, member]) => {
      const path = `${prefix}${variant}.${name}`;
      return [path, ...samplePaths(member, path)];
    }),
  );
}

function unique(paths: readonly string[]): string[] {
  return [...new Set(paths)];
}
