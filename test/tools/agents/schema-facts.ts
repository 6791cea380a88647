/** What a JSON schema says of a path: its kind, the words that it may be, and what has to stand beside it. Pure. */

type Json = Readonly<Record<string, unknown>>;

export const absent = "absent";

/** `root` is where `#/…` begins. */
export function factsOf(root: Json, schema: unknown, paths: readonly string[]): Record<string, string> {
  return Object.fromEntries(paths.map((path) => [path, describePath(root, schema, path)]));
}

/** Members without which the agent takes no such message. */
export function requiredOf(root: Json, schema: unknown): string {
  const named = variants(root, schema).map((each) => [...names(each["required"])].sort().join(", "));
  return [...new Set(named)].join(" | ") || "nothing";
}

const step = /<(\w+)=([^>]*)>|\.([^.<[{]+)|(\[\])|(\{\})/g;

function describePath(root: Json, schema: unknown, path: string): string {
  let at = variants(root, schema);
  let isOptional = false;
  for (const [, key, value, name, list, map] of path.matchAll(step)) {
    if (key !== undefined) at = at.filter((each) => admits(root, member(root, each, key), value ?? ""));
    else if (name !== undefined) {
      isOptional = at.some((each) => !names(each["required"]).includes(name));
      at = at.flatMap((each) => variants(root, member(root, each, name)));
    } else if (list !== undefined) at = at.flatMap((each) => variants(root, each["items"]));
    else if (map !== undefined) at = at.flatMap((each) => variants(root, each["additionalProperties"] ?? true));
    if (at.length === 0) return absent;
  }
  return `${[...new Set(at.flatMap((each) => kindOf(each)))].sort().join(" | ")}${isOptional ? ", optional" : ""}`;
}

function member(root: Json, schema: Json, name: string): unknown {
  const { properties } = schema;
  return isJson(properties) ? resolve(root, properties[name]) : undefined;
}

/** Whether a member, if it says what it may be, may be this word. */
function admits(root: Json, schema: unknown, word: string): boolean {
  return variants(root, schema).some((each) => {
    const words = wordsOf(each);
    return words === undefined ? each["type"] === "string" : words.includes(word);
  });
}

/** The schema without references, unions and intersections: each of the objects or values that it may be. */
function variants(root: Json, given: unknown, depth = 0): Json[] {
  const resolved = resolve(root, given);
  // The schema that takes everything.
  const schema = resolved === true ? {} : resolved;
  if (!isJson(schema) || depth > 20) return [];
  const choices = [schema["anyOf"], schema["oneOf"]].find(Array.isArray);
  const parts: unknown = schema["allOf"];
  const own = choices ? choices.flatMap((each: unknown) => variants(root, each, depth + 1)) : [schema];
  const shared = choices && isJson(schema["properties"]) ? [schema] : [];
  const joined = (Array.isArray(parts) ? parts : []).reduce<Json[]>(
    (all, part: unknown) => all.flatMap((left) => variants(root, part, depth + 1).map((right) => merge(left, right))),
    [{}],
  );
  return own.flatMap((each) =>
    shared.reduce(
      (all, common) => all.map((one) => merge(common, one)),
      joined.map((one) => merge(one, each)),
    ),
  );
}

function merge(one: Json, other: Json): Json {
  const properties = { ...asJson(one["properties"]), ...asJson(other["properties"]) };
  const required = [...new Set([...names(one["required"]), ...names(other["required"])])];
  return { ...one, ...other, properties, required };
}

function resolve(root: Json, schema: unknown): unknown {
  let at = schema;
  for (let hops = 0; hops < 20 && isJson(at) && typeof at["$ref"] === "string"; hops++) {
    const keys = at["$ref"].replace(/^#\//, "").split("/");
    at = keys.reduce<unknown>((inner, key) => asJson(inner)[key.replaceAll("~1", "/").replaceAll("~0", "~")], root);
  }
  return at;
}

function kindOf(schema: Json): string[] {
  const words = wordsOf(schema);
  if (words !== undefined) return words.map((word) => JSON.stringify(word));
  const { type } = schema;
  if (Array.isArray(type)) return type.map(String);
  return [
    typeof type === "string" ? type : Object.keys(asJson(schema["properties"])).length > 0 ? "object" : "anything",
  ];
}

function wordsOf(schema: Json): unknown[] | undefined {
  if (schema["const"] !== undefined) return [schema["const"]];
  return Array.isArray(schema["enum"]) ? schema["enum"] : undefined;
}

function names(value: unknown): string[] {
  return Array.isArray(value) ? value.map(String) : [];
}

function asJson(value: unknown): Json {
  return isJson(value) ? value : {};
}

export function isJson(value: unknown): value is Json {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
