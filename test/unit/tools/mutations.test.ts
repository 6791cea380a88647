import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { root } from "../../tools/bundle.ts";
import { mutated } from "../../torture/mutated-dist.ts";
import { mutations } from "../../torture/mutations.ts";

test.each(mutations)("the words that the mutation $name changes are in the sources, once", (mutation) => {
  for (const file of new Set(mutation.edits.map((edit) => edit.file))) {
    const source = readFileSync(join(root, file), "utf8");
    expect(mutated(mutation, file, source)).not.toBe(source);
  }
});
