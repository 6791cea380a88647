/**
 * `npm run build`: bundles the programs, each into one file that runs when it is copied alone, what the daemon loads only
 * when it is configured into one more, the client library with its types, and the web console into dist/web; gathers the
 * licences of what was bundled, and writes the JSON schema of the files of `agentd dispatch`.
 */
import { mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { execa } from "execa";
import * as z from "zod";
import { dispatchSchema } from "../../src/protocol/dispatch.ts";
import { bundle, bundleProgram, programs, root } from "./bundle.ts";
import { bundleWeb } from "./bundle-web.ts";

/** What others import: it runs wherever there is `fetch`, browsers included. */
const library = { entry: "src/client/client.ts", out: "dist/client.js" };
const typesDir = "dist/types";

async function main(): Promise<void> {
  const { version } = z.object({ version: z.string() }).parse(await readJson("package.json"));
  await mkdir(join(root, "dist"), { recursive: true });
  const bundled = await Promise.allSettled([
    ...programs.map(async (program) => Object.keys((await bundleProgram(program, { version })).inputs)),
    bundle({ ...library, out: join(root, library.out) }, { platform: "neutral" }).then(({ inputs }) =>
      Object.keys(inputs),
    ),
    bundleWeb(),
    emitTypes().then((): string[] => []),
  ]);
  const failed = bundled.find((outcome) => outcome.status === "rejected");
  if (failed) throw failed.reason;
  const inputs = bundled.flatMap((outcome) => (outcome.status === "fulfilled" ? outcome.value : []));
  await writeFile(join(root, "dist/licenses.txt"), await licences(inputs));
  await writeFile(join(root, "dist/dispatch.schema.json"), `${JSON.stringify(dispatchSchema(), undefined, 2)}\n`);
}

/** The library's types, as declarations that import each other as the JavaScript of a package does. */
async function emitTypes(): Promise<void> {
  const folder = join(root, typesDir);
  await rm(folder, { recursive: true, force: true });
  await execa(
    join(root, "node_modules/.bin/tsc"),
    [
      ...["--noEmit", "false", "--declaration", "--emitDeclarationOnly", "--rootDir", "src", "--outDir", typesDir],
      ...["--project", "test/tools/library-types.json"],
    ],
    { cwd: root, stdin: "ignore" },
  );
  const wanted = await imported(folder, ["client/client.d.ts", "library.d.ts"]);
  const files = (await readdir(folder, { recursive: true })).filter((name) => name.endsWith(".d.ts"));
  await Promise.all(
    files.map(async (name) => {
      const path = join(folder, name);
      // The daemon's inside is nobody's to import.
      if (!wanted.has(name)) return rm(path);
      const text = await readFile(path, "utf8");
      await writeFile(path, text.replaceAll(/((?:from|import\() ?"\.[^"]*)\.ts"/g, '$1.js"'));
    }),
  );
}

/** Declarations that these import, themselves included. */
async function imported(folder: string, names: readonly string[]): Promise<Set<string>> {
  const found = new Set<string>();
  const waiting = [...names];
  for (let name = waiting.pop(); name !== undefined; name = waiting.pop()) {
    if (found.has(name)) continue;
    found.add(name);
    const text = await readFile(join(folder, name), "utf8");
    for (const [, path = ""] of text.matchAll(/(?:from|import\() ?"(\.[^"]*)\.ts"/g))
      waiting.push(join(dirname(name), `${path}.d.ts`));
  }
  return found;
}

/** The licence texts of every package whose code is in a bundle: their terms ask for them to travel along. */
async function licences(inputs: readonly string[]): Promise<string> {
  const folders = new Set<string>();
  for (const input of inputs) {
    const folder = /^.*node_modules\/(?:@[^/]+\/)?[^/]+/.exec(input)?.[0];
    if (folder) folders.add(folder);
  }
  const texts = await Promise.all([...folders].sort().map(licenceOf));
  return texts.join("\n");
}

async function licenceOf(folder: string): Promise<string> {
  const description = z
    .object({ name: z.string(), version: z.string(), license: z.string().optional() })
    .parse(await readJson(join(folder, "package.json")));
  const file = (await readdir(join(root, folder))).find((name) => /^licen[cs]e/i.test(name));
  const text = file
    ? await readFile(join(root, folder, file), "utf8")
    : `${description.license ?? "no licence named"}\n`;
  return `=== ${description.name} ${description.version}\n\n${text}`;
}

async function readJson(path: string): Promise<unknown> {
  return JSON.parse(await readFile(join(root, path), "utf8"));
}

try {
  await main();
} catch (thrown) {
  // What is left from an earlier build must not be taken for this one.
  const made = [...[...programs, library].map(({ out }) => out), "dist/web"];
  await Promise.all(made.map((out) => rm(join(root, out), { force: true, recursive: true })));
  console.error(thrown instanceof Error ? thrown.message : thrown);
  process.exitCode = 1;
}
