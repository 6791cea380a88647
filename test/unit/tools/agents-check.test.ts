/** The comparison behind `npm run agents:check`: a planted change of a schema is seen, and named. */
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import * as z from "zod";
import { factsOfSchema } from "../../tools/agents/acp.ts";
import { flagFacts } from "../../tools/agents/claude.ts";
import { changes } from "../../tools/agents/compare.ts";
import { unknownRoutes } from "../../tools/agents/opencode.ts";
import { factsOf, requiredOf } from "../../tools/agents/schema-facts.ts";
import { samplePaths, zodPaths } from "../../tools/agents/zod-paths.ts";

const schema = {
  definitions: {
    Item: {
      oneOf: [
        {
          type: "object",
          properties: { type: { const: "text" }, text: { type: "string" } },
          required: ["type", "text"],
        },
        {
          type: "object",
          properties: { type: { enum: ["tool"] }, name: { type: ["string", "null"] } },
          required: ["type"],
        },
      ],
    },
  },
  type: "object",
  properties: {
    id: { anyOf: [{ type: "string" }, { type: "integer" }] },
    items: { type: "array", items: { $ref: "#/definitions/Item" } },
    state: { type: "string", enum: ["on", "off"] },
    more: true,
  },
  required: ["id"],
};

const Reader = z.looseObject({
  id: z.string(),
  state: z.string().nullish().catch(undefined),
  items: z
    .array(
      z.union([
        z.looseObject({ type: z.literal("text"), text: z.string() }),
        z.looseObject({ type: z.literal("tool"), name: z.string().optional() }),
      ]),
    )
    .default([]),
  more: z.unknown(),
});

const paths = zodPaths(Reader);

test("a schema of ours becomes the paths that it reads, variant by variant", () => {
  expect(paths).toEqual([
    ".id",
    ".state",
    ".items",
    ".items[]<type=text>.type",
    ".items[]<type=text>.text",
    ".items[]<type=tool>.type",
    ".items[]<type=tool>.name",
    ".more",
  ]);
  expect(samplePaths({ a: [{ type: "x", b: 1 }], c: undefined })).toEqual([
    ".a",
    ".a[]<type=x>.type",
    ".a[]<type=x>.b",
  ]);
});

test("of each path the schema says its kind, its words and whether it must be there", () => {
  expect(factsOf(schema, schema, paths)).toEqual({
    ".id": "integer | string",
    ".state": '"off" | "on", optional',
    ".items": "array, optional",
    ".items[]<type=text>.type": '"text"',
    ".items[]<type=text>.text": "string",
    ".items[]<type=tool>.type": '"tool"',
    ".items[]<type=tool>.name": "null | string, optional",
    ".more": "anything, optional",
  });
  expect(requiredOf(schema, schema)).toBe("id");
});

const held = factsOf(schema, schema, paths);

test.each<[string, (planted: typeof schema) => unknown, string]>([
  [
    "a member that is gone",
    ({ properties: { state: _, ...rest }, ...other }) => ({ ...other, properties: rest }),
    '.state was "off" | "on", optional, is absent',
  ],
  [
    "a word that is new",
    ({ properties, ...planted }) => ({
      ...planted,
      properties: { ...properties, state: { type: "string", enum: ["on", "off", "paused"] } },
    }),
    '.state was "off" | "on", optional, is "off" | "on" | "paused", optional',
  ],
  [
    "another kind",
    (planted) => ({ ...planted, properties: { ...planted.properties, id: { type: "integer" } } }),
    ".id was integer | string, is integer",
  ],
  [
    "a variant that is gone",
    (planted) => ({ ...planted, definitions: { Item: { oneOf: planted.definitions.Item.oneOf.slice(0, 1) } } }),
    '.items[]<type=tool>.type was "tool", is absent',
  ],
  [
    "a member that need no longer be there",
    (planted) => ({ ...planted, required: [] }),
    ".id was integer | string, is integer | string, optional",
  ],
])("%s is named", (_title, plant, sentence) => {
  const planted = plant(structuredClone(schema)) as typeof schema;
  expect(changes("agent", held, factsOf(planted, planted, paths))).toContain(`agent: ${sentence}`);
});

test("nothing is said of what nobody relies on", () => {
  const planted = { ...schema, properties: { ...schema.properties, another: { type: "string" } } };
  expect(changes("agent", held, factsOf(planted, planted, paths))).toEqual([]);
});

test("a change planted into the real schema of ACP is named", () => {
  const file = new URL(
    "../../../node_modules/@agentclientprotocol/sdk/schema/v1/schema.unstable.json",
    import.meta.url,
  );
  const text = readFileSync(file, "utf8");
  const real = factsOfSchema(JSON.parse(text));
  const planted = factsOfSchema(JSON.parse(text.replaceAll('"session/prompt"', '"session/ask"')));
  expect(changes("acp", real, planted)).toContain("acp: session/prompt was PromptRequest, is absent");
  expect(changes("acp", real, real)).toEqual([]);
});

test("a flag that is gone from the help is named", () => {
  const flags = ["--model", "--session-id"];
  const before = flagFacts(flags, "  --model <model>\n  --session-id <uuid>\n");
  const after = flagFacts(flags, "  --model <model>\n  --session-identity <uuid>\n");
  expect(changes("claude", before, after)).toEqual(["claude: flag --session-id was in its help, is not in its help"]);
});

test("every route that OpenCode's harness names in full is watched", () => {
  expect(unknownRoutes()).toEqual([]);
});
