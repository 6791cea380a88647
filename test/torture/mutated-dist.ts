/** A build of the product with one fault in it, in a folder of its own. */
import { readFile } from "node:fs/promises";
import { relative } from "node:path";
import { type Plugin, stop } from "esbuild";
import { bundleProgram, programs, root } from "../tools/bundle.ts";
import { type Mutation, mutations } from "./mutations.ts";

export function mutationNamed(name: string): Mutation {
  const found = mutations.find((mutation) => mutation.name === name);
  if (found) return found;
  throw new Error(`There is no mutation "${name}"; there are ${mutations.map((mutation) => mutation.name).join(", ")}`);
}

export async function buildMutated(mutation: Mutation, into: string): Promise<void> {
  const plugin: Plugin = {
    name: "mutation",
    setup: ({ onLoad }) => {
      onLoad({ filter: /\.ts$/ }, async ({ path }) => {
        const file = relative(root, path);
        if (!mutation.edits.some((edit) => edit.file === file)) return undefined;
        return { contents: mutated(mutation, file, await readFile(path, "utf8")), loader: "ts" };
      });
    },
  };
  try {
    await Promise.all(
      programs.map((program) => bundleProgram(program, { version: "0.0.0-mutated", into, plugins: [plugin] })),
    );
  } finally {
    // esbuild's own process would else live as long as the one that asked it to build.
    await stop();
  }
}

/** The source with the mutation's edits of that file. Throws when one of them does not fit it. */
export function mutated({ name, edits }: Mutation, file: string, source: string): string {
  let text = source;
  for (const { find, put } of edits.filter((edit) => edit.file === file)) {
    const parts = text.split(find);
    if (parts.length !== 2)
      throw new Error(
        `The mutation "${name}" looks for ${JSON.stringify(find)} in ${file}, which is there ${parts.length - 1} times`,
      );
    text = parts.join(put);
  }
  return text;
}
