/** Values that a schema would take, and what becomes of them when they are meddled with. */
import fc from "fast-check";
import * as z from "zod";

/** The parts of JSON Schema that zod writes. */
interface JsonSchema {
  type?: string | undefined;
  anyOf?: JsonSchema[] | undefined;
  oneOf?: JsonSchema[] | undefined;
  allOf?: JsonSchema[] | undefined;
  const?: unknown;
  enum?: unknown[] | undefined;
  properties?: Record<string, JsonSchema> | undefined;
  required?: string[] | undefined;
  additionalProperties?: JsonSchema | boolean | undefined;
  items?: JsonSchema | undefined;
}

/** Texts on which programs have broken. */
const nastyTexts = [
  "",
  " ",
  "\0",
  "\ud83d",
  "😀",
  "..",
  "../../etc/passwd",
  "%00",
  "__proto__",
  "constructor",
  "-1",
  "1e999",
  "NaN",
  "null",
  "\u202e",
  "\x1b[2J",
  "'; drop table sessions; --",
  "{}",
  "x".repeat(300),
  "x".repeat(70_000),
  "/",
  "/tmp",
  "t1",
  "90s",
  "echo",
  "local",
  "11111111-0000-4000-8000-000000000000",
];
export const text: fc.Arbitrary<string> = fc.oneof(
  fc.constantFrom(...nastyTexts),
  fc.string({ maxLength: 20 }),
  fc.string({ unit: "binary", maxLength: 8 }),
);
const number = fc.oneof(fc.integer(), fc.double(), fc.constantFrom(0, -0, -1, 1, 2 ** 31, 2 ** 53, 1e308));
const anything: fc.Arbitrary<unknown> = fc.oneof(
  text,
  number,
  fc.boolean(),
  fc.constantFrom(null, [], {}, [[]], [null], { a: { b: [] } }),
);

/** What a body or a frame of that schema may be before it is checked. */
export function valuesOf(schema: z.ZodType): fc.Arbitrary<unknown> {
  return valuesBy(z.toJSONSchema(schema, { io: "input", unrepresentable: "any" }) as JsonSchema);
}

function valuesBy(schema: JsonSchema): fc.Arbitrary<unknown> {
  const choices = schema.anyOf ?? schema.oneOf ?? schema.allOf;
  if (choices !== undefined && choices.length > 0) return fc.oneof(...choices.map(valuesBy));
  if (schema.const !== undefined) return fc.constant(schema.const);
  if (schema.enum !== undefined) return fc.constantFrom(...schema.enum);
  switch (schema.type) {
    case "object":
      return objectBy(schema);
    case "array":
      return fc.array(valuesBy(schema.items ?? {}), { maxLength: 3 });
    case "string":
      return text;
    case "number":
    case "integer":
      return number;
    case "boolean":
      return fc.boolean();
    default:
      return anything;
  }
}

function objectBy({ properties, required = [], additionalProperties }: JsonSchema): fc.Arbitrary<unknown> {
  if (properties === undefined) {
    const inner = typeof additionalProperties === "object" ? valuesBy(additionalProperties) : anything;
    return fc.dictionary(text, inner, { maxKeys: 4 });
  }
  const fields = Object.entries(properties).map(([key, inner]) => [key, valuesBy(inner)] as const);
  // Most fields are mostly absent: a request with all of them is refused for the first. One in `freq` is nothing: with 1
  // none would ever be there.
  const often = (key: string, value: fc.Arbitrary<unknown>) =>
    required.includes(key) ? value : fc.option(value, { nil: undefined, freq: 2 });
  return fc.subarray(fields, { minLength: 0, maxLength: Math.min(4, fields.length) }).chain((chosen) => {
    const kept = fields.filter((field) => required.includes(field[0]) || chosen.includes(field));
    return fc.record(Object.fromEntries(kept.map(([key, value]) => [key, often(key, value)])));
  });
}

type Meddling =
  | { how: "drop" | "add" | "replace"; at: number; key: string; value: unknown }
  | { how: "cut" | "flip" | "repeat"; at: number; key: string; value: unknown };

const meddling: fc.Arbitrary<Meddling> = fc.record({
  how: fc.constantFrom("drop", "add", "replace", "cut", "flip", "repeat"),
  at: fc.nat(),
  key: fc.constantFrom("__proto__", "constructor", "prototype", "toString", "", "type", "data", "0", "\0"),
  value: anything,
}) as fc.Arbitrary<Meddling>;

/** As text: half of them as they were made, the others with up to three things done to them. */
export function meddled(values: fc.Arbitrary<unknown>): fc.Arbitrary<string> {
  const none = fc.constant<Meddling[]>([]);
  return fc.tuple(values, fc.oneof(none, fc.array(meddling, { minLength: 1, maxLength: 3 }))).map(([value, done]) => {
    let changed: unknown = value;
    for (const one of done) if (["drop", "add", "replace"].includes(one.how)) changed = changeIn(changed, one);
    let json = JSON.stringify(changed) ?? "";
    for (const one of done) json = changeOf(json, one);
    return json;
  });
}

function changeIn(value: unknown, { how, at, key, value: other }: Meddling): unknown {
  if (typeof value !== "object" || value === null) return other;
  const entries = Object.entries(value);
  const [name, inner] = entries[at % Math.max(1, entries.length)] ?? [key, undefined];
  if (how === "add") return { ...value, [key]: other };
  if (how === "drop") return Object.fromEntries(entries.filter(([found]) => found !== name));
  const isDeeper = typeof inner === "object" && inner !== null && at % 2 === 0;
  return { ...value, [name]: isDeeper ? changeIn(inner, { how, at: at >> 1, key, value: other } as Meddling) : other };
}

function changeOf(json: string, { how, at, key }: Meddling): string {
  const place = at % Math.max(1, json.length);
  if (how === "cut") return json.slice(0, place);
  if (how === "flip") return json.slice(0, place) + String.fromCharCode(at % 256) + json.slice(place + 1);
  if (how === "repeat") return json.slice(0, place) + key.repeat(at % 50) + json.slice(place);
  return json;
}
