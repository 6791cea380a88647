/** What a program says of its version. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execa } from "execa";
import { messageOf } from "../protocol/error.ts";
import { versionIn } from "./tested-agents.ts";

/** A fault when it cannot be run or names no version. */
export type SaidVersion = { version: string; fault?: undefined } | { version: undefined; fault: string };

const versionMsMax = 30_000;
const outputBytesMax = 64 * 1024;

export async function programVersion(
  program: string,
  options: { args?: readonly string[]; env?: Readonly<Record<string, string>> } = {},
): Promise<SaidVersion> {
  const dir = await mkdtemp(join(tmpdir(), "agentd-version-"));
  try {
    const { stdout } = await execa(program, [...(options.args ?? []), "--version"], {
      stdin: "ignore",
      timeout: versionMsMax,
      maxBuffer: outputBytesMax,
      extendEnv: options.env === undefined,
      // Some leave folders behind even for this question.
      env: {
        ...options.env,
        TMPDIR: dir,
        CLAUDE_CODE_TMPDIR: dir,
        XDG_CACHE_HOME: dir,
        XDG_STATE_HOME: dir,
        CODEX_HOME: dir,
      },
    });
    const version = versionIn(stdout);
    return version === undefined ? { version, fault: `it says ${JSON.stringify(stdout.slice(0, 100))}` } : { version };
  } catch (error) {
    return { version: undefined, fault: shortOf(error) };
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

function shortOf(error: unknown): string {
  const text =
    typeof error === "object" && error !== null && "shortMessage" in error
      ? String(error.shortMessage)
      : messageOf(error);
  return text.split("\n")[0] ?? text;
}
