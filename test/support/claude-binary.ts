/** The real Claude Code that `npm ci` brought, at the version package.json pins. */
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";

/**
 * Path of its platform binary. The package's own `bin` is a stub until an install script has run, which we
 * never let run; the binary is started directly.
 */
export function claudeBinary(): string {
  const platform = `${process.platform}-${process.arch}`;
  const names = process.platform === "linux" ? [platform, `${platform}-musl`] : [platform];
  const paths = names.map((name) =>
    fileURLToPath(new URL(`../../node_modules/@anthropic-ai/claude-code-${name}/claude`, import.meta.url)),
  );
  const found = paths.find((path) => existsSync(path));
  if (!found)
    throw new Error(`Cannot find the claude binary for ${platform}: none of ${paths.join(", ")} exists. Run npm ci`);
  return found;
}
