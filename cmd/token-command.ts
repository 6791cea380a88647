/** The words of `agentd token`. */
import { type Command, Option } from "commander";
import { Scope } from "../src/protocol/access.ts";
import { addDaemonOptions, type CommandContext, DaemonOptions } from "./client-options.ts";
import { printToken } from "./sessions.ts";
import { CreateTokenOptions, dropToken, ListTokensOptions, makeToken, replaceToken, showTokens } from "./tokens.ts";

export function addTokenCommands(group: Command, context: CommandContext): void {
  const word = (usage: string, description: string, example: string, isDefault = false) =>
    addDaemonOptions(
      group.command(usage, { isDefault }).description(description).addHelpText("after", `\nExample:\n  ${example}`),
    );
  word(
    "print",
    "print the token of the data dir's daemon; an error when --url or --port is another",
    'curl -H "Authorization: Bearer $(agentd token)" localhost:8090/sessions',
    true,
  ).action(async (options: unknown) => context.exit(await printToken(DaemonOptions.parse(options), context)));
  word("create <name>", "make a token for somebody else; it is shown once", "agentd token create ci --scope write")
    .addOption(
      new Option("--scope <scope>", "read watches, write starts and steers sessions, admin does all")
        .choices(Scope.options)
        .default("read"),
    )
    .option("--expires <time>", "how long it is good for, such as 12h or 90d (default: for ever)")
    .action(async (name: string, options: unknown) =>
      context.exit(await makeToken(name, CreateTokenOptions.parse(options), context)),
    );
  word("ls", "list the named tokens, without what they are", "agentd token ls")
    .option("--json", "print them as the daemon sends them")
    .action(async (options: unknown) => context.exit(await showTokens(ListTokensOptions.parse(options), context)));
  word(
    "rotate <name>",
    "replace a token by a new one of the same scope and length of life; token-file is the data dir's own",
    "agentd token rotate ci",
  ).action(async (name: string, options: unknown) =>
    context.exit(await replaceToken(name, DaemonOptions.parse(options), context)),
  );
  word("revoke <name>", "take a token back, and close what it has open", "agentd token revoke ci").action(
    async (name: string, options: unknown) =>
      context.exit(await dropToken(name, DaemonOptions.parse(options), context)),
  );
}
