/** The `agentd` program: arguments in, exit code out. */
import { setTimeout as delay } from "node:timers/promises";
import { CommanderError } from "commander";
import { AmbiguousSession } from "../src/client/find-session.ts";
import { readEnvironment } from "../src/config.ts";
import { withAdvice } from "./advice.ts";
import { normalizeArgv } from "./argv.ts";
import type { CommandContext } from "./client-options.ts";
import { endProcess } from "./end-process.ts";
import { exitCode, UsageError } from "./exit-code.ts";
import { plainText } from "./plain-text.ts";
import { createProgram, knownWords } from "./program.ts";
import { openTerminal } from "./terminal.ts";

async function main(argv: readonly string[]): Promise<number> {
  const env = readEnvironment();
  const terminal = openTerminal(env);
  if (process.platform === "win32") {
    terminal.note("agentd does not run on Windows: use it inside WSL 2");
    return exitCode.failure;
  }
  let code: number = exitCode.ok;
  const context: CommandContext = {
    env,
    terminal,
    exit: (wanted) => {
      code = wanted;
    },
  };
  const program = createProgram(context);
  try {
    await program.parseAsync(normalizeArgv(argv, knownWords(program)), { from: "user" });
    return code;
  } catch (error) {
    // commander has printed its sentence, or the help that was asked for.
    if (error instanceof CommanderError) return error.exitCode === 0 ? exitCode.ok : exitCode.usage;
    // Messages quote names, paths and answers, which may come from anybody.
    terminal.note(plainText(`agentd: ${withAdvice(error, { env })}`));
    return error instanceof UsageError || error instanceof AmbiguousSession ? exitCode.usage : exitCode.failure;
  }
}

/** Output that is still in a pipe's buffer would be lost with the process. */
function written(stream: NodeJS.WriteStream): Promise<void> {
  return new Promise((resolve) => stream.write("", () => resolve()));
}

/** Who does not read what went wrong must not keep a program from leaving. */
const stderrMs = 500;

const code = await main(process.argv.slice(2));
await Promise.all([
  written(process.stdout),
  Promise.race([written(process.stderr), delay(stderrMs, undefined, { ref: false })]),
]);
endProcess(code);
