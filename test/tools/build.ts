/**
 * `npm run build`: bundles the programs, each into one file that runs when it is copied alone, what the daemon loads only
 * when it is configured into one more, and the client library with its types; gathers the licences of what was bundled.
 */
import { chmod, mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type BuildOptions, build, type Metafile, type Plugin } from "esbuild";
import { execa } from "execa";
import * as z from "zod";

const root = fileURLToPath(new URL("../..", import.meta.url));
const programs = [
  { entry: "cmd/agentd.ts", out: "dist/agentd.js" },
  { entry: "sidecar/main.ts", out: "dist/sidecar.js" },
  { entry: "cmd/keeper.ts", out: "dist/keeper.js" },
  { entry: "src/observe/otlp.ts", out: "dist/otlp.js" },
];

/** What others import: it runs wherever there is `fetch`, browsers included. */
const library = { entry: "src/client/client.ts", out: "dist/client.js" };
const typesDir = "dist/types";

/** Every command would read a third more of code for what few daemons use: it stays a file of its own beside them. */
const loadedWhenWanted: Plugin = {
  name: "loaded when wanted",
  setup: ({ onResolve }) => {
    onResolve({ filter: /^\.\/otlp\.ts$/ }, ({ kind }) =>
      kind === "dynamic-import" ? { path: "./otlp.js", external: true } : undefined,
    );
  },
};

/** Packages that are CommonJS inside call `require`, which an ES module does not have by itself. */
const requireBanner = [
  'import { createRequire as __createRequire } from "node:module";',
  "const require = __createRequire(import.meta.url);",
].join("\n");

async function main(): Promise<void> {
  const { version } = z.object({ version: z.string() }).parse(await readJson("package.json"));
  await mkdir(join(root, "dist"), { recursive: true });
  const bundled = await Promise.allSettled([
    ...programs.map((program) => bundleProgram(program, version)),
    bundle(library, { platform: "neutral" }),
    emitTypes().then((): Metafile => ({ inputs: {}, outputs: {} })),
  ]);
  const failed = bundled.find((outcome) => outcome.status === "rejected");
  if (failed) throw failed.reason;
  const metafiles = bundled.flatMap((outcome) => (outcome.status === "fulfilled" ? [outcome.value] : []));
  await writeFile(join(root, "dist/licenses.txt"), await licences(metafiles));
}

async function bundleProgram(program: { entry: string; out: string }, version: string): Promise<Metafile> {
  const source = await readFile(join(root, program.entry), "utf8");
  const isLibrary = program.entry.startsWith("src/");
  const shebang = source.startsWith("#!") || isLibrary ? [] : ["#!/usr/bin/env node"];
  const metafile = await bundle(program, {
    platform: "node",
    // `src/version.ts` reads it; a program run from its sources has none.
    define: { __AGENTRUNTIME_VERSION__: JSON.stringify(version) },
    banner: { js: [...shebang, requireBanner].join("\n") },
    // Optional native helpers of ws, without which it works; and the database, which is native and therefore installed.
    // The daemon loads it when it opens its store, so that all else runs from the bundle alone.
    external: ["bufferutil", "utf-8-validate", "libsql"],
    // Less to read and to keep at each start. Names stay, and lines stay short, for those who read a stack trace.
    minifyWhitespace: true,
    minifySyntax: true,
    lineLimit: 160,
    plugins: [loadedWhenWanted, leftOut],
  });
  await chmod(join(root, program.out), isLibrary ? 0o644 : 0o755);
  return metafile;
}

async function bundle({ entry, out }: { entry: string; out: string }, options: BuildOptions): Promise<Metafile> {
  const { metafile } = await build({
    absWorkingDir: root,
    entryPoints: [entry],
    outfile: join(root, out),
    bundle: true,
    format: "esm",
    target: "node20",
    sourcemap: "linked",
    sourcesContent: false,
    legalComments: "none",
    logLevel: "warning",
    ...options,
    metafile: true,
  });
  return metafile;
}

/**
 * What dockerode loads for things that we do not use: BuildKit (its builder in the engine is enough), and engines that
 * are reached by ssh. Two thirds of its size.
 */
const leftOut: Plugin = {
  name: "left-out",
  setup: ({ onResolve, onLoad }) => {
    const filter = /^(?:@grpc\/grpc-js|@grpc\/proto-loader|protobufjs|ssh2)$/;
    onResolve({ filter }, ({ path }) => ({ path, namespace: "left-out" }));
    onLoad({ filter: /.*/, namespace: "left-out" }, () => ({ contents: "module.exports = {};" }));
  },
};

/** The library's types, as declarations that import each other as the JavaScript of a package does. */
async function emitTypes(): Promise<void> {
  const folder = join(root, typesDir);
  await rm(folder, { recursive: true, force: true });
  await execa(
    join(root, "node_modules/.bin/tsc"),
    [
      ...["--noEmit", "false", "--declaration", "--emitDeclarationOnly", "--rootDir", "src", "--outDir", typesDir],
      ...["--project", "test/tools/client-types.json"],
    ],
    { cwd: root, stdin: "ignore" },
  );
  const files = (await readdir(folder, { recursive: true })).filter((name) => name.endsWith(".d.ts"));
  await Promise.all(
    files.map(async (name) => {
      const path = join(folder, name);
      const text = await readFile(path, "utf8");
      await writeFile(path, text.replaceAll(/(from "\.[^"]*)\.ts"/g, '$1.js"'));
    }),
  );
}

/** The licence texts of every package whose code is in a bundle: their terms ask for them to travel along. */
async function licences(metafiles: readonly Metafile[]): Promise<string> {
  const folders = new Set<string>();
  for (const input of metafiles.flatMap((metafile) => Object.keys(metafile.inputs))) {
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
  await Promise.all([...programs, library].map(({ out }) => rm(join(root, out), { force: true })));
  console.error(thrown instanceof Error ? thrown.message : thrown);
  process.exitCode = 1;
}
