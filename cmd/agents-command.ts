/** The words of `agentd agents`. */
import type { Command } from "commander";
import { AgentsOptions, agents } from "./agents.ts";
import { InstallOptions, installAgents, UninstallOptions, uninstallAgents } from "./agents-install.ts";
import { addDaemonOptions, type CommandContext } from "./client-options.ts";

const dataDirWords =
  "the data dir (else AGENTRUNTIME_DATA_DIR, else agentruntime in XDG_DATA_HOME, else ~/.local/share/agentruntime)";

export function addAgentsCommands(group: Command, context: CommandContext): void {
  const list = group
    .command("list", { isDefault: true })
    .description("list the daemon's agents, and where the program of each comes from")
    .addHelpText("after", "\nExample:\n  agentd agents list --work-dir ~/project");
  addDaemonOptions(list)
    .option("--work-dir <dir>", "also the agents that this project folder defines")
    .option("--json", "print them as the daemon sends them, with what each can do")
    .action(async (options: unknown) => context.exit(await agents(AgentsOptions.parse(options), context)));
  group
    .command("install [name...]")
    .description("install the tested versions of the agents' programs (claude, codex, opencode) into the data dir")
    .option("--data-dir <dir>", dataDirWords)
    .option("--force", "also those that are installed already")
    .option("--json", "print what is installed as JSON")
    .addHelpText("after", "\nExample:\n  agentd agents install claude codex")
    .action(async (names: string[], options: unknown) =>
      context.exit(await installAgents(names, InstallOptions.parse(options), context)),
    );
  group
    .command("uninstall <name...>")
    .description("take away what install has put into the data dir")
    .option("--data-dir <dir>", dataDirWords)
    .addHelpText("after", "\nExample:\n  agentd agents uninstall codex")
    .action(async (names: string[], options: unknown) =>
      context.exit(await uninstallAgents(names, UninstallOptions.parse(options), context)),
    );
}
