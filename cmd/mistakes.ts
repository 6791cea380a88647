/** A mistake on the command line, as commander tells it → the sentence that all of agentd's have, with where to look. Pure. */
import type { Command } from "commander";
import { plainText } from "./plain-text.ts";

export function tellMistakes(commands: readonly Command[]): void {
  for (const command of commands)
    command.configureOutput({ outputError: (text, write) => write(`${mistakeText(text, nameOf(command))}\n`) });
}

/** `error: unknown command 'rnu'`, and below it a guess in brackets. What was typed may hold anything. */
function mistakeText(text: string, command: string): string {
  const [what = "", ...guesses] = plainText(text.replace(/^error: /, ""))
    .trim()
    .split(/\n(?=\(Did you mean )/);
  const sentences = [what, ...guesses.map((guess) => guess.replace(/^\(([\s\S]*)\)$/, "$1"))];
  const said = sentences.map((sentence) => (/[.?!]$/.test(sentence) ? sentence : `${sentence}.`)).join(" ");
  return `agentd: ${said} See "${command} --help"`;
}

function nameOf(command: Command): string {
  return command.parent ? `${nameOf(command.parent)} ${command.name()}` : command.name();
}
