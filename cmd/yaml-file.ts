/** A YAML file as a person wrote it; JSON is YAML too. */
import { open } from "node:fs/promises";
import { parseDocument } from "yaml";
import { errnoOf, messageOf } from "../src/protocol/error.ts";
import { UsageError } from "./exit-code.ts";

const bytesMax = 8 * 1024 * 1024;

/** Throws a UsageError that says where the file is wrong. */
export async function readYaml(path: string): Promise<unknown> {
  const text = await readText(path);
  const document = parseDocument(text, { prettyErrors: true, merge: true });
  const [fault] = [...document.errors, ...document.warnings];
  if (fault) throw new UsageError(`Cannot use "${path}": it is not YAML: ${fault.message.trim()}`);
  try {
    // Aliases are followed a hundred times at most: a file of a kilobyte must not become a gigabyte.
    return document.toJS();
  } catch (error) {
    throw new UsageError(`Cannot use "${path}": ${messageOf(error)}`);
  }
}

/** A file of some megabytes at most. Throws a UsageError that says why it cannot be read. */
export async function readText(path: string): Promise<string> {
  try {
    const file = await open(path, "r");
    try {
      const { size } = await file.stat();
      if (size > bytesMax)
        throw new UsageError(`Cannot use "${path}": it has ${size} bytes, and at most ${bytesMax} are read`);
      return await file.readFile("utf8");
    } finally {
      await file.close();
    }
  } catch (error) {
    if (error instanceof UsageError) throw error;
    const found = errnoOf(error) === "ENOENT" ? "there is no such file" : messageOf(error);
    throw new UsageError(`Cannot read "${path}": ${found}. Name another file`);
  }
}
