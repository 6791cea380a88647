/**
 * What between two descriptions of the API would break a client that was written for the older one: a route, a parameter, a
 * field or a value that is gone, a request that must say more than before, an answer that may say less.
 */
import * as z from "zod";

const Schema = z.record(z.string(), z.unknown());
type Schema = z.infer<typeof Schema>;

const Content = z.record(z.string(), z.object({ schema: Schema.optional() }));
const Described = z.object({
  paths: z.record(
    z.string(),
    z.record(
      z.string(),
      z.object({
        description: z.string(),
        parameters: z.array(z.object({ name: z.string(), in: z.string(), required: z.boolean(), schema: Schema })),
        requestBody: z.object({ required: z.boolean(), content: Content }).optional(),
        responses: z.record(z.string(), z.object({ headers: Schema.optional(), content: Content.optional() })),
      }),
    ),
  ),
  components: z.object({ schemas: z.record(z.string(), Schema) }),
});

interface Comparison {
  before: Record<string, Schema>;
  after: Record<string, Schema>;
  /** Who writes it: a client's request may be taken wider, an answer of ours may be made narrower, never the other way round. */
  written: "by clients" | "by the daemon";
}

/** A sentence for each. `older` and `newer` are OpenAPI documents. Throws when one of them is none. */
export function breakingChanges(older: unknown, newer: unknown): string[] {
  const [before, after] = [Described.parse(older), Described.parse(newer)];
  const schemas = { before: before.components.schemas, after: after.components.schemas };
  const found: string[] = [];
  for (const [path, methods] of Object.entries(before.paths)) {
    for (const [method, was] of Object.entries(methods)) {
      const route = `${method.toUpperCase()} ${path}`;
      const is = after.paths[path]?.[method];
      if (!is) {
        found.push(`${route} is gone`);
        continue;
      }
      if (was.description !== is.description) found.push(`${route} needs another scope: ${is.description}`);
      const requests: Comparison = { ...schemas, written: "by clients" };
      for (const parameter of was.parameters) {
        const now = is.parameters.find((one) => one.name === parameter.name && one.in === parameter.in);
        if (!now) found.push(`${route} no longer takes ${parameter.in} ${parameter.name}`);
        else found.push(...changesOf(parameter.schema, now.schema, `${route} ${parameter.name}`, requests));
      }
      for (const parameter of is.parameters) {
        const wasRequired = was.parameters.some((one) => one.name === parameter.name && one.required);
        if (parameter.required && !wasRequired)
          found.push(`${route} must now be given ${parameter.in} ${parameter.name}`);
      }
      if (is.requestBody?.required === true && was.requestBody?.required !== true)
        found.push(`${route} must now be given a body`);
      found.push(...contents(was.requestBody?.content, is.requestBody?.content, `the body of ${route}`, requests));
      const answers: Comparison = { ...schemas, written: "by the daemon" };
      for (const [status, answer] of Object.entries(was.responses)) {
        const now = is.responses[status];
        if (!now) {
          found.push(`${route} no longer answers ${status}`);
          continue;
        }
        for (const header of Object.keys(answer.headers ?? {}))
          if (!Object.hasOwn(now.headers ?? {}, header))
            found.push(`${route} ${status} no longer has the header ${header}`);
        found.push(...contents(answer.content, now.content, `${route} ${status}`, answers));
      }
    }
  }
  const frames: [string, Comparison["written"]][] = [
    ["ClientFrame", "by clients"],
    ["ServerFrame", "by the daemon"],
    ["LogLine", "by the daemon"],
  ];
  for (const [name, written] of frames)
    found.push(...changesOf(reference(name), reference(name), name, { ...schemas, written }));
  return [...new Set(found)];
}

function reference(name: string): Schema {
  return { $ref: `#/components/schemas/${name}` };
}

type Content = z.infer<typeof Content>;

function contents(was: Content | undefined, is: Content | undefined, where: string, how: Comparison): string[] {
  return Object.entries(was ?? {}).flatMap(([type, { schema }]) => {
    const now = is?.[type];
    if (!now) return [`${where} is no longer ${type}`];
    return schema ? changesOf(schema, now.schema ?? {}, where, how) : [];
  });
}

/** What a list or a map consists of. */
const parts = { items: "an item", additionalProperties: "a value", propertyNames: "a name" };

function changesOf(older: Schema, newer: Schema, where: string, how: Comparison, depth = 0): string[] {
  if (depth > 20) return [];
  const was = resolved(older, how.before);
  const is = resolved(newer, how.after);
  const forms = { was: formsOf(was), is: formsOf(is) };
  if (forms.was || forms.is) return formChanges({ was: forms.was ?? [was], is: forms.is ?? [is] }, where, how, depth);
  const found: string[] = [];
  const [wasTypes, isTypes] = [typesOf(was), typesOf(is)];
  if (!isWithin(wasTypes, isTypes, how))
    found.push(`${where} was ${wasTypes.join(" or ") || "anything"} and is ${isTypes.join(" or ") || "anything"}`);
  const [wasValues, isValues] = [valuesOf(was), valuesOf(is)];
  if (!isWithin(wasValues, isValues, how)) found.push(`${where} has other values: ${isValues.join(", ") || "any"}`);
  found.push(...boundChanges(was, is, where, how.written));
  found.push(...fieldChanges(was, is, where, how, depth));
  for (const [key, what] of Object.entries(parts)) {
    const [before, after] = [Schema.safeParse(was[key]).data, Schema.safeParse(is[key]).data];
    if (before && after) found.push(...changesOf(before, after, `${what} of ${where}`, how, depth + 1));
  }
  return found;
}

/** A request may take more than it did, an answer may say no more than it did. No list at all is "anything". */
function isWithin(was: readonly string[], is: readonly string[], { written }: Comparison): boolean {
  const [narrow, wide] = written === "by clients" ? [was, is] : [is, was];
  if (wide.length === 0) return true;
  return (
    narrow.length > 0 && narrow.every((one) => wide.includes(one) || (one === "integer" && wide.includes("number")))
  );
}

function fieldChanges(was: Schema, is: Schema, where: string, how: Comparison, depth: number): string[] {
  const [wasFields, isFields] = [fieldsOf(was), fieldsOf(is)];
  const [wasRequired, isRequired] = [namesOf(was["required"]), namesOf(is["required"])];
  const found: string[] = [];
  for (const [name, field] of Object.entries(wasFields)) {
    const now = isFields[name];
    if (!now) found.push(`${where} no longer has ${name}`);
    else found.push(...changesOf(field, now, `${where}.${name}`, how, depth + 1));
    if (how.written === "by the daemon" && now && wasRequired.includes(name) && !isRequired.includes(name))
      found.push(`${where} may now be without ${name}`);
  }
  if (how.written === "by clients")
    for (const name of isRequired) if (!wasRequired.includes(name)) found.push(`${where} must now have ${name}`);
  return found;
}

/**
 * What clients send must still be taken, what they are sent must be what they know: in each form of it. Forms are told apart by their
 * `type`; those that have none are tried one after the other.
 */
function formChanges(forms: { was: Schema[]; is: Schema[] }, where: string, how: Comparison, depth: number): string[] {
  const { written } = how;
  const of = {
    was: forms.was.map((form) => ({ form, kind: kindOf(form, how.before) })),
    is: forms.is.map((form) => ({ form, kind: kindOf(form, how.after) })),
  };
  const lost = of.was.filter(({ kind }) => kind !== undefined && !of.is.some((one) => one.kind === kind));
  const found = lost.map(({ kind }) => `${where} "${kind}" is gone, or has one form less`);
  const [narrow, wide] = written === "by clients" ? [of.was, of.is] : [of.is, of.was];
  for (const { form, kind } of narrow) {
    const named = `${where}${kind === undefined ? "" : ` "${kind}"`}`;
    const candidates = wide.filter((one) => one.kind === kind);
    const tried = candidates.map((one) => {
      const [before, after] = written === "by clients" ? [form, one.form] : [one.form, form];
      return changesOf(before, after, named, how, depth + 1);
    });
    if (tried.some((changes) => changes.length === 0)) continue;
    const [only = []] = tried;
    if (tried.length === 1) found.push(...only);
    // One that is gone has been told. Among forms of a `type`, one of a new `type` is passed over by clients.
    else if (tried.length > 1 || kind === undefined || wide.every((one) => one.kind === undefined))
      found.push(
        written === "by clients" ? `${named} is taken no more in one of its forms` : `${named} has a new form`,
      );
  }
  return found;
}

function kindOf(form: Schema, schemas: Record<string, Schema>): string | undefined {
  const kind = fieldsOf(resolved(form, schemas))["type"]?.["const"];
  return typeof kind === "string" ? kind : undefined;
}

function resolved(schema: Schema, schemas: Record<string, Schema>): Schema {
  const { $ref } = schema;
  return typeof $ref === "string" ? (schemas[$ref.slice($ref.lastIndexOf("/") + 1)] ?? {}) : schema;
}

function formsOf(schema: Schema): Schema[] | undefined {
  return z.array(Schema).safeParse(schema["oneOf"] ?? schema["anyOf"]).data;
}

function fieldsOf(schema: Schema): Record<string, Schema> {
  return z.record(z.string(), Schema).safeParse(schema["properties"]).data ?? {};
}

function namesOf(value: unknown): string[] {
  return z.array(z.string()).safeParse(value).data ?? [];
}

function typesOf(schema: Schema): string[] {
  return [schema["type"]].flat().filter((type) => typeof type === "string");
}

function valuesOf(schema: Schema): string[] {
  const values = schema["const"] === undefined ? schema["enum"] : [schema["const"]];
  return Array.isArray(values) ? values.map((value) => JSON.stringify(value)) : [];
}

const lowerBounds = ["minLength", "minimum", "exclusiveMinimum", "minItems", "minProperties"];
const upperBounds = ["maxLength", "maximum", "exclusiveMaximum", "maxItems", "maxProperties"];
/** Nobody can tell which of two of them takes more. */
const sameOrNone = ["pattern", "format"];

function boundChanges(was: Schema, is: Schema, where: string, written: Comparison["written"]): string[] {
  const [narrow, wide] = written === "by clients" ? [was, is] : [is, was];
  const keeps = (name: string): boolean => {
    const [inner, outer] = [narrow[name], wide[name]];
    if (outer === undefined || inner === outer) return true;
    if (typeof inner !== "number" || typeof outer !== "number") return false;
    return lowerBounds.includes(name) ? inner > outer : inner < outer;
  };
  return [...lowerBounds, ...upperBounds, ...sameOrNone]
    .filter((name) => !keeps(name))
    .map((name) => `${where} had ${name} ${was[name] ?? "none"} and has ${is[name] ?? "none"}`);
}
