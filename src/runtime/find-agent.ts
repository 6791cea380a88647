/** Where an agent's program is: by configuration, then in PATH, then beside agentd. */
import { accessSync, constants, readFileSync, statSync } from "node:fs";
import { delimiter, dirname, isAbsolute, join } from "node:path";
import { fileURLToPath } from "node:url";

/**
 * The program to start. A name that is found nowhere is returned as it is: starting it then fails with an error
 * that the session shows.
 */
export function findAgent(given: { name: string; command: string | undefined; path: string | undefined }): string {
  if (given.command !== undefined)
    return isAbsolute(given.command) ? given.command : (inPath(given.command, given.path) ?? given.command);
  return inPath(given.name, given.path) ?? besideUs(given.name) ?? given.name;
}

function inPath(name: string, path: string | undefined): string | undefined {
  if (name.includes("/")) return undefined;
  return (path ?? "")
    .split(delimiter)
    .filter((folder) => isAbsolute(folder))
    .map((folder) => join(folder, name))
    .find(isProgram);
}

/** The packages of the agents put their native binary into a package of its own for each platform. */
function besideUs(name: string): string | undefined {
  const inPackage = platformBinary(name);
  if (inPackage === undefined) return undefined;
  const relative = join("node_modules", inPackage);
  for (let folder = dirname(fileURLToPath(import.meta.url)); ; folder = dirname(folder)) {
    const candidate = join(folder, relative);
    if (isProgram(candidate)) return candidate;
    if (dirname(folder) === folder) return undefined;
  }
}

function platformBinary(name: string): string | undefined {
  const { platform, arch } = process;
  switch (name) {
    case "claude": {
      const musl = platform === "linux" && !hasGlibc() ? "-musl" : "";
      return join("@anthropic-ai", `claude-code-${platform}-${arch}${musl}`, "claude");
    }
    case "codex": {
      // Started directly: the package's own launcher is a Node process more to pay for and to end.
      const triple = codexTriples[`${platform}-${arch}`];
      return triple && join("@openai", `codex-${platform}-${arch}`, "vendor", triple, "bin", "codex");
    }
    case "opencode": {
      const baseline = arch === "x64" && platform === "linux" && !hasAvx2() ? "-baseline" : "";
      const musl = platform === "linux" && !hasGlibc() ? "-musl" : "";
      return join(`opencode-${platform}-${arch}${baseline}${musl}`, "bin", "opencode");
    }
    default:
      return undefined;
  }
}

const codexTriples: Readonly<Record<string, string>> = {
  "linux-x64": "x86_64-unknown-linux-musl",
  "linux-arm64": "aarch64-unknown-linux-musl",
  "darwin-x64": "x86_64-apple-darwin",
  "darwin-arm64": "aarch64-apple-darwin",
};

/** The plain build of OpenCode dies of an illegal instruction without it. */
function hasAvx2(): boolean {
  try {
    return /\bavx2\b/.test(readFileSync("/proc/cpuinfo", "utf8"));
  } catch {
    // Not told: the build for older processors runs on all of them.
    return false;
  }
}

function hasGlibc(): boolean {
  return ["/lib64/ld-linux-x86-64.so.2", "/lib/ld-linux-aarch64.so.1"].some(
    (path) => statSync(path, { throwIfNoEntry: false }) !== undefined,
  );
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    // Not there, or not ours to run: the next place is tried.
    return false;
  }
}
