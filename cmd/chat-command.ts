/** The words of `agentd chat`. */
import type { Command } from "commander";
import {
  CreateChatOptions,
  DeleteChatOptions,
  dropChat,
  exportHere,
  HistoryOptions,
  ImportOptions,
  importHere,
  ListChatsOptions,
  makeChat,
  SendOptions,
  sendMessage,
  showChats,
  showHistory,
} from "./chat.ts";
import { AttachChatOptions, attachChatHere } from "./chat-attach.ts";
import { addDaemonOptions, type CommandContext, DaemonOptions } from "./client-options.ts";
import { checkDuration, parsePositive, parseRuntime } from "./option-values.ts";

export function addChatCommands(group: Command, context: CommandContext): void {
  const word = (usage: string, description: string, example: string) =>
    addDaemonOptions(group.command(usage).description(description).addHelpText("after", `\nExample:\n  ${example}`));
  word("create <name>", "make a chat", "agentd chat create review --agent claude")
    .option("--config <file>", "YAML with its configuration, as POST /chats takes it, instead of the options below")
    .option("--agent <name>", "the agent, as the daemon's configuration names it")
    .option("--runtime <name>", "where its sessions run: local or docker", parseRuntime)
    .option("--model <model>", "model, in the agent's own words")
    .option("--effort <effort>", "how hard the model is to think, in the agent's own words")
    .option("--work-dir <dir>", "the agent's project folder (default one of the chat's own)")
    .option("--idle-timeout <duration>", "end a session in which nobody talks after this time", checkDuration)
    .action(async (name: string, options: unknown) =>
      context.exit(await makeChat(name, CreateChatOptions.parse(options), context)),
    );
  word(
    "send <name> <message...>",
    "say something; it waits while the chat is busy",
    "agentd chat send review 'And now?'",
  )
    .option("-f, --follow", "show the session that answers, until it ends")
    .option("--json", "print log lines as they are")
    .action(async (name: string, words: string[], options: unknown) =>
      context.exit(await sendMessage({ name, words }, SendOptions.parse(options), context)),
    );
  word("attach <name>", "talk in it: lines are prompts, as in agentd attach", "agentd chat attach review")
    .option("--no-replay", "begin with what happens from now on")
    .option("--json", "print log lines as they are")
    .option("--plain", "lines on a terminal too, as in a pipe")
    .action(async (name: string, options: unknown) =>
      context.exit(await attachChatHere(name, AttachChatOptions.parse(options), context)),
    );
  word("history <name>", "what was said in it", "agentd chat history review --last 20")
    .option("--last <count>", "only the last so many (default: all)", parsePositive)
    .option("--json", "print each as the daemon sends it, one a line")
    .action(async (name: string, options: unknown) =>
      context.exit(await showHistory(name, HistoryOptions.parse(options), context)),
    );
  word(
    "export <name>",
    "print the chat as lines of JSON, which import takes",
    "agentd chat export review > review.ndjson",
  ).action(async (name: string, options: unknown) =>
    context.exit(await exportHere(name, DaemonOptions.parse(options), context)),
  );
  word("import <file>", "make a chat of what export printed", "agentd chat import review.ndjson --name review2")
    .option("--name <name>", "its name here (default the one it had)")
    .option("--work-dir <dir>", "the agent's project folder, in place of the one it had")
    .option("--resume", "go on with the agent's own conversation; its files must be where they were")
    .action(async (file: string, options: unknown) =>
      context.exit(await importHere(file, ImportOptions.parse(options), context)),
    );
  word("list", "all of them", "agentd chat list")
    .option("--json", "print them as the daemon sends them")
    .action(async (options: unknown) => context.exit(await showChats(ListChatsOptions.parse(options), context)));
  word("delete <name>", "end what runs in it and forget it; its sessions stay listed", "agentd chat delete review")
    .option("--remove-volume", "delete its sessions too, and what only the conversation needs")
    .action(async (name: string, options: unknown) =>
      context.exit(await dropChat(name, DeleteChatOptions.parse(options), context)),
    );
}
