/** A command with what each has: how mistakes are reported, and an example. */
import type { Command } from "commander";
import { checkSession } from "./option-values.ts";

/** Mistakes are reported as by the program. */
export function addCommand(program: Command, usage: string, description: string, example: string): Command {
  const command = program.command(usage).description(description).addHelpText("after", `\nExample:\n  ${example}`);
  for (const argument of command.registeredArguments) {
    if (argument.name() === "session") argument.argParser(checkSession);
  }
  return command;
}
