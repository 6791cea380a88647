/**
 * What we hand on to others: every package whose code is in a bundle or is installed with us must be under a licence that
 * lets us, need no script at its installation, and be pinned.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import * as z from "zod";

const Lock = z.object({
  packages: z.record(
    z.string(),
    z.object({
      version: z.string().optional(),
      license: z.string().optional(),
      hasInstallScript: z.boolean().optional(),
      dependencies: z.record(z.string(), z.string()).optional(),
      optionalDependencies: z.record(z.string(), z.string()).optional(),
      peerDependencies: z.record(z.string(), z.string()).optional(),
    }),
  ),
});
export type Lock = z.infer<typeof Lock>;

const Manifest = z.object({
  dependencies: z.record(z.string(), z.string()),
  devDependencies: z.record(z.string(), z.string()),
});

/** Licences that ask for no more than to travel along; the build sees to that (dist/licenses.txt). */
const permitted = ["MIT", "ISC", "BSD-2-Clause", "BSD-3-Clause", "Apache-2.0", "0BSD", "BlueOak-1.0.0", "Unlicense"];

export interface SupplyChain {
  lock: Lock;
  /** Packages that the product's sources import. */
  imported: readonly string[];
  /** Packages that are kept out of the bundles. */
  leftOut: readonly string[];
}

/** One sentence for each package that must not be handed on as it is. */
export function supplyFaults({ lock, imported, leftOut }: SupplyChain): string[] {
  const faults: string[] = [];
  const seen = new Set<string>();
  const look = (name: string, from: string) => {
    if (leftOut.includes(name)) return;
    const at = placeOf(lock, name, from);
    // Of another platform, or left to whoever wants it.
    if (at === undefined || seen.has(at)) return;
    seen.add(at);
    const { version, license, hasInstallScript, dependencies, optionalDependencies, peerDependencies } =
      lock.packages[at] ?? {};
    if (!isPermitted(license))
      faults.push(`${name} ${version} is under ${license ?? "no licence that it names"}, which is not on the list`);
    if (hasInstallScript) faults.push(`${name} ${version} has a script that runs at its installation`);
    for (const next of Object.keys({ ...dependencies, ...optionalDependencies, ...peerDependencies })) look(next, at);
  };
  for (const name of imported) {
    if (placeOf(lock, name, "") === undefined) faults.push(`${name} is imported and not in package-lock.json`);
    look(name, "");
  }
  return faults;
}

/** One sentence for each version that is a range: what was tested is what is installed. */
export function unpinned(versions: Readonly<Record<string, string>>): string[] {
  return Object.entries(versions)
    .filter(([, version]) => !/^\d+\.\d+\.\d+(-[\w.]+)?$/.test(version))
    .map(([name, version]) => `${name} is asked for as "${version}": name one version`);
}

export function checkSupplyChain(root: string, product: Pick<SupplyChain, "imported" | "leftOut">): string[] {
  const read = (name: string): unknown => JSON.parse(readFileSync(join(root, name), "utf8"));
  const { dependencies, devDependencies } = Manifest.parse(read("package.json"));
  const imported = [...new Set([...product.imported, ...Object.keys(dependencies)])];
  const lock = Lock.parse(read("package-lock.json"));
  return [
    ...supplyFaults({ lock, imported, leftOut: product.leftOut }),
    ...unpinned({ ...dependencies, ...devDependencies }),
  ];
}

/** `MIT`, or a choice one of which will do: `(MIT OR GPL-3.0)`. */
function isPermitted(license: string | undefined): boolean {
  const choices = (license ?? "").replace(/^\(|\)$/g, "").split(" OR ");
  return choices.some((choice) => choice.split(" AND ").every((part) => permitted.includes(part)));
}

/** Where a package finds another: beside it, or in a folder above. */
function placeOf({ packages }: Lock, name: string, from: string): string | undefined {
  for (let folder = from; ; folder = folder.slice(0, Math.max(0, folder.lastIndexOf("/node_modules/")))) {
    const at = `${folder === "" ? "" : `${folder}/`}node_modules/${name}`;
    if (packages[at] !== undefined) return at;
    if (folder === "") return undefined;
  }
}
