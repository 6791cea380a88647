/** How the web console is built: into files named by their content, for browsers of the last few years. */
import { join, relative } from "node:path";
import { build } from "vite";
import { root } from "./bundle.ts";

/** Returns what was bundled, as paths from the repository's root. */
export async function bundleWeb(): Promise<string[]> {
  const built = await build({
    root: join(root, "src/web"),
    // Beside the page, wherever that is: a daemon may be mounted below a prefix.
    base: "./",
    // No file is looked for that could say otherwise.
    configFile: false,
    envDir: false,
    publicDir: false,
    logLevel: "warn",
    oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
    build: {
      outDir: join(root, "dist/web"),
      emptyOutDir: true,
      target: ["chrome123", "firefox121", "safari17.5"],
      // The page's policy lets nothing in that is not a file of the daemon's.
      assetsInlineLimit: 0,
      modulePreload: { polyfill: false },
      reportCompressedSize: false,
    },
  });
  const outputs = Array.isArray(built) ? built : "output" in built ? [built] : [];
  const modules = outputs.flatMap(({ output }) =>
    output.flatMap((file) => (file.type === "chunk" ? file.moduleIds : [])),
  );
  return modules.map((path) => relative(root, path));
}
