/** How the programs are bundled, each into one file that runs when it is copied alone. */
import { chmod, readFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { type BuildOptions, build, type Metafile, type Plugin } from "esbuild";

export const root = fileURLToPath(new URL("../..", import.meta.url));
export const programs: readonly Program[] = [
  { entry: "cmd/agentd.ts", out: "dist/agentd.js" },
  { entry: "sidecar/main.ts", out: "dist/sidecar.js", startsOften: true },
  { entry: "cmd/keeper.ts", out: "dist/keeper.js" },
  { entry: "src/observe/otlp.ts", out: "dist/otlp.js" },
  { entry: "src/library.ts", out: "dist/agentruntime.js" },
];

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
const requireBanner = 'const require = process.getBuiltinModule("node:module").createRequire(import.meta.url);';

interface Bundle {
  /** Relative to the repository. */
  entry: string;
  out: string;
}

interface Program extends Bundle {
  /** Its start is a part of every session's. */
  startsOften?: boolean;
}

/**
 * An import of one of Node's own modules reads all that the module exports, and what is behind that: of `node:http` a WebSocket
 * client with all of undici. Required, only what is used is loaded.
 */
const builtinsByRequire: Plugin = {
  name: "builtins by require",
  setup: ({ onResolve, onLoad }) => {
    onResolve({ filter: /^node:/ }, ({ path, kind }) =>
      kind === "import-statement" ? { path, namespace: "by-require" } : undefined,
    );
    onLoad({ filter: /.*/, namespace: "by-require" }, ({ path }) => ({
      contents: `module.exports = require(${JSON.stringify(path)});`,
    }));
  },
};

/** ws loads these for clients that go out by TLS and for compression. The sidecar's server has neither. */
const plainServer: Plugin = {
  name: "plain server",
  setup: ({ onResolve, onLoad }) => {
    onResolve({ filter: /^(?:https|tls|zlib)$/ }, ({ path, importer }) =>
      /node_modules\/ws\//.test(importer) ? { path, namespace: "plain-server" } : undefined,
    );
    onLoad({ filter: /.*/, namespace: "plain-server" }, () => ({ contents: "module.exports = {};" }));
  },
};

/** `into`: another folder than dist. `plugins` come before those that every build has. */
export async function bundleProgram(
  program: Program,
  { version, into, plugins = [] }: { version: string; into?: string; plugins?: readonly Plugin[] },
): Promise<Metafile> {
  const source = await readFile(join(root, program.entry), "utf8");
  const isLibrary = program.entry.startsWith("src/");
  const shebang = source.startsWith("#!") || isLibrary ? [] : ["#!/usr/bin/env node"];
  const out = into === undefined ? join(root, program.out) : join(into, basename(program.out));
  const metafile = await bundle(
    { ...program, out },
    {
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
      plugins: [
        ...plugins,
        loadedWhenWanted,
        leftOut,
        ...(program.startsOften ? [builtinsByRequire, plainServer] : []),
      ],
    },
  );
  await chmod(out, isLibrary ? 0o644 : 0o755);
  return metafile;
}

/** `out` is the whole path of the file. */
export async function bundle({ entry, out }: Bundle, options: BuildOptions): Promise<Metafile> {
  const { metafile } = await build({
    absWorkingDir: root,
    entryPoints: [entry],
    outfile: out,
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
export const leftOutPackages: readonly string[] = ["@grpc/grpc-js", "@grpc/proto-loader", "protobufjs", "ssh2"];

const leftOut: Plugin = {
  name: "left-out",
  setup: ({ onResolve, onLoad }) => {
    const filter = new RegExp(`^(?:${leftOutPackages.join("|")})$`);
    onResolve({ filter }, ({ path }) => ({ path, namespace: "left-out" }));
    onLoad({ filter: /.*/, namespace: "left-out" }, () => ({ contents: "module.exports = {};" }));
  },
};
