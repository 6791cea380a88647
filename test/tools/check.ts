/** `npm run check`: format, lint, types, unused code, room boundaries, licences. Says nothing when all is well. */
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { execa } from "execa";
import { leftOutPackages } from "./bundle.ts";
import { checkRooms, importedPackages } from "./rooms.ts";
import { checkSupplyChain } from "./supply-chain.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));

const checks = [
  ["biome", "check", "--error-on-warnings", "--no-errors-on-unmatched", "."],
  ["tsc"],
  // Pages have other globals than programs.
  ["tsc", "--project", "src/web/tsconfig.json"],
  ["knip", "--no-progress"],
];

const handedOn = { imported: importedPackages(root), leftOut: leftOutPackages };
const faults = [
  ...checkRooms(root).map((sentence) => `rooms: ${sentence}`),
  ...checkSupplyChain(root, handedOn).map((sentence) => `packages: ${sentence}`),
];
await Promise.all(checks.map(run));
if (faults.length > 0) {
  console.error(faults.join("\n"));
  process.exitCode = 1;
}

async function run([tool = "", ...args]: string[]): Promise<void> {
  const { exitCode, all } = await execa(join(root, "node_modules/.bin", tool), args, {
    cwd: root,
    all: true,
    reject: false,
    stdin: "ignore",
    // Tools keep their caches here, not in the home of whoever runs the tests.
    env: { XDG_CACHE_HOME: join(root, "node_modules/.cache"), ...(process.stderr.isTTY ? { FORCE_COLOR: "1" } : {}) },
  });
  if (exitCode !== 0)
    faults.push(`${all}\n${tool} ${args.join(" ")}: failed (npm run format mends what can be mended)`);
}
