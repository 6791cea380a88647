import { describe, expect, test } from "vitest";
import { type Lock, supplyFaults, unpinned } from "../../tools/supply-chain.ts";

const lock: Lock = {
  packages: {
    "node_modules/good": { version: "1.0.0", license: "MIT", dependencies: { deep: "^1" } },
    "node_modules/good/node_modules/deep": { version: "1.1.0", license: "(GPL-3.0 OR ISC)" },
    "node_modules/deep": { version: "2.0.0", license: "AGPL-3.0" },
    "node_modules/user": { version: "3.0.0", license: "Apache-2.0", optionalDependencies: { deep: "2", gone: "1" } },
    "node_modules/builder": { version: "4.0.0", license: "MIT", hasInstallScript: true },
    "node_modules/unnamed": { version: "5.0.0" },
    "node_modules/both": { version: "6.0.0", license: "MIT AND GPL-2.0" },
  },
};
const faults = (imported: string[], leftOut: string[] = []) => supplyFaults({ lock, imported, leftOut });

describe("what we hand on", () => {
  test("may be under any licence of the list, at any depth, as each finds it", () => {
    expect(faults(["good"])).toEqual([]);
  });

  test.each([
    ["user", /^deep 2.0.0 is under AGPL-3.0/],
    ["builder", /^builder 4.0.0 has a script/],
    ["unnamed", /^unnamed 5.0.0 is under no licence/],
    ["both", /^both 6.0.0 is under MIT AND GPL-2.0/],
    ["nobody", /^nobody is imported and not in/],
  ])("not like %s", (name, sentence) => {
    expect(faults([name])).toEqual([expect.stringMatching(sentence)]);
  });

  test("is not what is left out of the bundles", () => {
    expect(faults(["user", "builder"], ["deep", "builder"])).toEqual([]);
  });

  test("is named by one version", () => {
    expect(unpinned({ a: "1.2.3", b: "1.2.3-beta.1", c: "^1.2.3", d: "latest" })).toHaveLength(2);
  });
});
