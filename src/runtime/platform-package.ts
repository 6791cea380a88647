/** The packages of the agents put their native binary into a package of its own for each platform. Which one, and where in it. */
import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";

export interface PlatformPackage {
  /** Its folder in node_modules. */
  folder: string;
  /** What npm is asked for. */
  spec(version: string): string;
  /** The program, from that folder on. */
  file: string;
}

/** Undefined for an agent or a machine for which there is none. */
export function platformPackage(name: string): PlatformPackage | undefined {
  const { platform, arch } = process;
  switch (name) {
    case "claude": {
      const musl = platform === "linux" && !hasGlibc() ? "-musl" : "";
      return ownPackage(`@anthropic-ai/claude-code-${platform}-${arch}${musl}`, "claude");
    }
    case "codex": {
      const triple = codexTriples[`${platform}-${arch}`];
      if (triple === undefined) return undefined;
      const folder = `@openai/codex-${platform}-${arch}`;
      return {
        folder,
        // Versions of the one package, which its makers install under other names.
        spec: (version) => `${folder}@npm:@openai/codex@${version}-${platform}-${arch}`,
        // Started directly: the package's own launcher is a Node process more to pay for and to end.
        file: join("vendor", triple, "bin", "codex"),
      };
    }
    case "opencode": {
      const baseline = arch === "x64" && platform === "linux" && !hasAvx2() ? "-baseline" : "";
      const musl = platform === "linux" && !hasGlibc() ? "-musl" : "";
      return ownPackage(`opencode-${platform}-${arch}${baseline}${musl}`, join("bin", "opencode"));
    }
    default:
      return undefined;
  }
}

function ownPackage(folder: string, file: string): PlatformPackage {
  return { folder, file, spec: (version) => `${folder}@${version}` };
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
