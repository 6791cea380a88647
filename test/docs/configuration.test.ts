import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import * as z from "zod";
import { createProgram } from "../../cmd/program.ts";
import { ConfigFile } from "../../src/config.ts";
import { isJsonText } from "../../src/protocol/json-text.ts";
import { noTerminal } from "../support/no-terminal.ts";

const page = readFileSync(new URL("../../docs/configuration.md", import.meta.url), "utf8");
const documented = new Map([...rowsBelow("## Keys"), ...rowsBelow("### `agents.NAME`")]);
const keys = keysOf(ConfigFile);

test("docs/configuration.md has each key of the configuration file, and no other", () => {
  expect([...documented.keys()].sort()).toEqual([...keys].sort());
});

test.each(keys)("the documented default of %s is the real one", (key) => {
  const shown = documented.get(key) ?? "";
  const written = /^`(.*)`$/.exec(shown)?.[1];
  const withoutKey = ConfigFile.parse(settingOf(key, undefined));
  if (written === undefined || !isJsonText(written)) {
    // Said in words: nothing is set, and the words tell what follows from that.
    expect(valueAt(withoutKey, key)).toBeUndefined();
    expect(shown).not.toBe("");
  } else expect(ConfigFile.parse(settingOf(key, JSON.parse(written)))).toEqual(withoutKey);
});

test("docs/configuration.md has each flag of `agentd serve`, and no other", () => {
  const program = createProgram({ env: {}, terminal: noTerminal, exit: () => {} });
  const serve = program.commands.find((command) => command.name() === "serve");
  const flags = serve?.options.filter((option) => !option.hidden).map((option) => option.long);
  const rows = [...rowsBelow("## Flags of `agentd serve`").keys()].map((cell) => cell.split(" ")[0]);
  expect(rows.sort()).toEqual(flags?.sort());
});

test("the examples of docs/configuration.md and README.md are valid", () => {
  const readme = readFileSync(new URL("../../README.md", import.meta.url), "utf8");
  const examples = [page, readme].flatMap((text) =>
    [...text.matchAll(/```json\n([\s\S]*?)```/g)].map(([, json]) => json),
  );
  expect(examples.length).toBeGreaterThan(3);
  for (const example of examples) ConfigFile.parse(JSON.parse(example ?? ""));
});

/** First cell without its back-ticks → second cell, of the table that follows a heading. */
function rowsBelow(heading: string): Map<string, string> {
  const section = page.slice(page.indexOf(`${heading}\n`)).split(/\n#+ /)[0] ?? "";
  const rows = section.split("\n").filter((line) => line.startsWith("| `"));
  return new Map(
    rows.map((row) => {
      const [key = "", value = ""] = row.slice(1).split("|");
      return [key.trim().replaceAll("`", ""), value.trim()];
    }),
  );
}

/** Every key that may be written, with `NAME` for what the operator chooses. */
function keysOf(schema: z.core.$ZodType, path: readonly string[] = []): string[] {
  if (schema instanceof z.ZodDefault || schema instanceof z.ZodPrefault || schema instanceof z.ZodOptional) {
    return keysOf(schema.unwrap(), path);
  }
  if (schema instanceof z.ZodObject) {
    return Object.entries(schema.shape).flatMap(([key, value]) => keysOf(value as z.core.$ZodType, [...path, key]));
  }
  if (schema instanceof z.ZodRecord && schema.valueType instanceof z.ZodObject) {
    return [path.join("."), ...keysOf(schema.valueType, [...path, "NAME"])];
  }
  return [path.join(".")];
}

/** A file that sets one key; with an undefined value, the same file without it. */
function settingOf(key: string, value: unknown): object {
  return key.split(".").reduceRight<object>((inner, name, depth, { length }) => {
    if (depth < length - 1) return { [fileName(name)]: inner };
    return value === undefined ? {} : { [fileName(name)]: value };
  }, {});
}

function valueAt(config: unknown, key: string): unknown {
  return key.split(".").reduce((value, name) => (value as Record<string, unknown>)[fileName(name)], config);
}

function fileName(name: string): string {
  return name === "NAME" ? "some-agent" : name;
}
