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
  { entry: "cmd/ink-screen.ts", out: "dist/ink-screen.js" },
];

/** What is loaded by the others only when it is wanted, and is no program. */
const parts = ["src/observe/otlp.ts", "cmd/ink-screen.ts", "src/library.ts"];

/** Every command would read half as much again of code for what few of them use: it stays in files of its own beside them. */
const loadedWhenWanted: Plugin = {
  name: "loaded when wanted",
  setup: ({ onResolve }) => {
    onResolve({ filter: /^\.\/(?:otlp|ink-screen)\.ts$/ }, ({ kind, path }) =>
      kind === "dynamic-import" ? { path: path.replace(/ts$/, "js"), external: true } : undefined,
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
  const isPart = parts.includes(program.entry);
  const shebang = source.startsWith("#!") || isPart ? [] : ["#!/usr/bin/env node"];
  const out = into === undefined ? join(root, program.out) : join(into, basename(program.out));
  const metafile = await bundle(
    { ...program, out },
    {
      platform: "node",
      // `src/version.ts` reads it; a program run from its sources has none.
      define: {
        __AGENTRUNTIME_VERSION__: JSON.stringify(version),
        ...(program.entry === "cmd/ink-screen.ts" ? inkDefines : {}),
      },
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
        alwaysDraws,
        ...(program.startsOften ? [builtinsByRequire, plainServer] : []),
      ],
    },
  );
  await chmod(out, isPart ? 0o644 : 0o755);
  return metafile;
}

/** Ink and React as they are for users, whatever the environment of a user says: DEV would load tools that are not there. */
const inkDefines = { "process.env.NODE_ENV": '"production"', "process.env.DEV": '"false"' };

/** Ink draws nothing where it takes the environment for that of a CI. A view opens only before a person. */
const alwaysDraws: Plugin = {
  name: "always draws",
  setup: ({ onResolve, onLoad }) => {
    onResolve({ filter: /^is-in-ci$/ }, ({ path }) => ({ path, namespace: "always-draws" }));
    onLoad({ filter: /.*/, namespace: "always-draws" }, () => ({ contents: "export default false;" }));
  },
};

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
 * are reached by ssh. Two thirds of its size. And what Ink loads for those who work on it.
 */
export const leftOutPackages: readonly string[] = [
  "@grpc/grpc-js",
  "@grpc/proto-loader",
  "protobufjs",
  "ssh2",
  "react-devtools-core",
];

const leftOut: Plugin = {
  name: "left-out",
  setup: ({ onResolve, onLoad }) => {
    const filter = new RegExp(`^(?:${leftOutPackages.join("|")})$`);
    onResolve({ filter }, ({ path }) => ({ path, namespace: "left-out" }));
    onLoad({ filter: /.*/, namespace: "left-out" }, () => ({ contents: "module.exports = {};" }));
  },
};
