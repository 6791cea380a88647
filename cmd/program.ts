/** Every command and option of agentd. Says what there is; what is done stands in a file for each. */
import { Argument, Command, Option } from "commander";
import { version } from "../src/version.ts";
import { addCommand } from "./add-command.ts";
import { addAgentsCommands } from "./agents-command.ts";
import type { KnownWords } from "./argv.ts";
import { AuditOptions, audit } from "./audit.ts";
import { addChatCommands } from "./chat-command.ts";
import { addDaemonOptions, type CommandContext } from "./client-options.ts";
import { printCandidates, printCompletion, type Shell } from "./completion.ts";
import { shellScripts } from "./completion-scripts.ts";
import { addDoctorOptions } from "./doctor-command.ts";
import { EgressOptions, egressLog, egressReload } from "./egress.ts";
import { GcOptions, gc } from "./gc.ts";
import { buildAll, ImagesOptions } from "./images.ts";
import { tellMistakes } from "./mistakes.ts";
import {
  checkDuration,
  checkNotEmpty,
  collect,
  oneOf,
  parseCount,
  parsePort,
  parsePositive,
  parseRuntime,
} from "./option-values.ts";
import { addSessionCommands } from "./session-commands.ts";
import { addTokenCommands } from "./token-command.ts";

const about = `
Exit codes: 0 all went well, 1 it failed, 2 the command line was wrong.
attach and wait exit as the agent did, run also with 1 when its last turn failed.

A session is named by its id, the beginning of its id, or its name.
Commands need a daemon that is up: "agentd serve" keeps one up, one that run started leaves with its last session
and client. None is needed for serve, run, doctor, token, agents install, images build, completion and version;
reindex wants none.

Examples:
  agentd run "Fix the failing test"
  agentd serve --port 8090
  agentd ls`;

export function createProgram(context: CommandContext): Command {
  const program = new Command("agentd")
    .description("Starts, watches and steers coding agents. Without a command: agentd serve")
    .version(version, "-V, --version", "print the version")
    .addHelpText("after", about)
    .exitOverride()
    .helpCommand(false)
    .configureHelp({ showGlobalOptions: false });
  addServe(program, context);
  addSessionCommands(program, context);
  addChats(program, context);
  addAgents(program, context);
  addDoctor(program, context);
  addKeeping(program, context);
  addContainers(program, context);
  addEgress(program, context);
  addAbout(program, context);
  addCompletion(program, context);
  addHelp(program);
  const commands = [...program.commands, ...program.commands.flatMap((group) => group.commands)];
  refuseEmpty(commands);
  tellMistakes([program, ...commands]);
  return program;
}

/** What a person says to an agent may be nothing. */
const mayBeEmpty = ["--answer", "--message"];

function refuseEmpty(commands: readonly Command[]): void {
  for (const option of commands.flatMap((command) => command.options)) {
    const isChecked = option.parseArg !== undefined || mayBeEmpty.includes(option.long ?? "");
    if (option.required && !isChecked) option.argParser(checkNotEmpty);
  }
}

/** What normalizeArgv has to know of the commands. */
export function knownWords(program: Command): KnownWords {
  const options = new Map<string, boolean>([["help", false]]);
  const shortWithValue = new Set<string>();
  for (const command of [program, ...program.commands, ...program.commands.flatMap((group) => group.commands)]) {
    for (const option of command.options) {
      const takesValue = option.required || option.optional;
      if (option.long) options.set(option.long.slice(2), takesValue);
      if (option.short && takesValue) shortWithValue.add(option.short);
    }
  }
  return { options, shortWithValue };
}

function addServe(program: Command, context: CommandContext): void {
  addCommand(program, "serve", "serve the API until told to stop", "agentd serve --port 8090 --max-sessions 20")
    .option("--host <address>", "address to listen on (default 127.0.0.1)")
    .option("--port <port>", "port to listen on, 0 for a free one (default 8090)", parsePort)
    .option("--listen <where>", "unix:PATH listens on a Unix socket, for this user only, and on no port")
    .option(
      "--runtime <name>",
      "where agents run unless a request says otherwise: local or docker (default local)",
      parseRuntime,
    )
    .option(
      "--docker-host <address>",
      "the Docker engine, unix:///PATH, tcp://HOST:PORT or ssh://USER@HOST (else DOCKER_HOST, else unix:///var/run/docker.sock)",
    )
    .option(
      "--data-dir <dir>",
      "where sessions, logs and the token are kept (else AGENTRUNTIME_DATA_DIR, else agentruntime in XDG_DATA_HOME, else ~/.local/share/agentruntime)",
    )
    .option("--config <file>", "configuration file (default config.json in the data dir)")
    .option("--max-sessions <count>", "live sessions at once, 0 for no limit (default 0)", parseCount)
    .option("--no-auth", "ask for no token; only on a loopback address")
    .option("--ring-bytes <bytes>", "recent log of each session kept in memory (default 1048576)", parsePositive)
    .option(
      "--client-stall <duration>",
      "how long a client may fail to read before it is closed (default 60s)",
      checkDuration,
    )
    .option(
      "--local-sandbox",
      "keep agents on this machine out of homes, the data dir and other sessions (Linux, bubblewrap)",
    )
    .option(
      "--redact <pattern>",
      "regular expression of what is taken out of all that agents tell; again for more",
      collect,
    )
    .option(
      "--fsync <when>",
      "force the log to disk: never, turn or always (default turn)",
      oneOf(["never", "turn", "always"]),
    )
    .option(
      "--log-level <level>",
      "debug, info, warn, error or silent (default info)",
      oneOf(["debug", "info", "warn", "error", "silent"]),
    )
    .option(
      "--on-shutdown <what>",
      "live sessions when the daemon is told to leave: keep or stop (default keep: the next daemon takes over)",
      oneOf(["keep", "stop"]),
    )
    .option("--keep-sessions <count>", "remove ended sessions but for the last so many (default: keep all)", parseCount)
    .option("--keep-days <days>", "remove sessions that ended longer ago (default: keep all)", parsePositive)
    .option("--compress-days <days>", "compress logs of sessions that ended longer ago (default: none)", parseCount)
    .addOption(new Option("--leave-when-idle", "leave when the last session and the last client are gone").hideHelp())
    .action(async (options: unknown) => {
      // Loaded only here: the daemon is most of the program, and the other commands need none of it.
      const { ServeOptions, serve } = await import("./serve.ts");
      context.exit(await serve(ServeOptions.parse(options), context));
    });
}

function addChats(program: Command, context: CommandContext): void {
  const about = "conversations with a name, that go on from session to session";
  addChatCommands(addCommand(program, "chat", about, 'agentd chat send review "And now?" --follow'), context);
}

function addAgents(program: Command, context: CommandContext): void {
  addAgentsCommands(
    addCommand(
      program,
      "agents",
      "what agents there are, and installing them; without another word: list",
      "agentd agents --json",
    ),
    context,
  );
}

function addDoctor(program: Command, context: CommandContext): void {
  const what = "tell what is right and wrong with this machine and its agents, and what to do";
  addDoctorOptions(
    addCommand(program, "doctor [agent...]", what, "agentd doctor\n  agentd doctor claude --probe"),
    context,
  );
}

function addContainers(program: Command, context: CommandContext): void {
  const images = addCommand(program, "images", "the images of sessions in containers", "agentd images build");
  images
    .command("build")
    .description("build them with the Docker engine")
    .addHelpText("after", "\nExamples:\n  agentd images build agent\n  agentd images build daemon")
    .addArgument(new Argument("[image]", "which one; agent and proxy by default").choices(["agent", "proxy", "daemon"]))
    .option(
      "--docker-host <address>",
      "the engine: unix:///PATH, tcp://HOST:PORT or ssh://USER@HOST (else DOCKER_HOST, else unix:///var/run/docker.sock)",
    )
    .option("--agent-base <image>", "what the agents' image begins with (default node:24-bookworm-slim)")
    .option("--proxy-base <image>", "what the proxy's image begins with (default debian:bookworm-slim)")
    .option("--daemon-base <image>", "what the daemon's own image begins with (default node:24-bookworm-slim)")
    .action(async (image: string | undefined, options: unknown) =>
      context.exit(await buildAll(image, ImagesOptions.parse(options), context)),
    );
}

function addEgress(program: Command, context: CommandContext): void {
  const egress = addCommand(program, "egress", "what sessions in containers may reach", "agentd egress log");
  const log = egress
    .command("log [session]")
    .description("what was refused by the proxy, of one session or of all")
    .addHelpText("after", "\nExample:\n  agentd egress log 5c1f --json");
  addDaemonOptions(log)
    .option("--json", "print each as the daemon sends it, one a line")
    .action(async (session: string | undefined, options: unknown) =>
      context.exit(await egressLog(session, EgressOptions.parse(options), context)),
    );
  const reload = egress
    .command("reload")
    .description("read egress of the configuration file again: it holds at once, and cuts nothing that is open")
    .addHelpText("after", "\nExample:\n  agentd egress reload");
  addDaemonOptions(reload)
    .option("--json", "print it as the daemon sends it")
    .action(async (options: unknown) => context.exit(await egressReload(EgressOptions.parse(options), context)));
}

function addKeeping(program: Command, context: CommandContext): void {
  addDaemonOptions(
    addCommand(program, "gc", "remove the ended sessions that the daemon's policy lets go of", "agentd gc --dry-run"),
  )
    .option("--dry-run", "only list them")
    .option("--json", "print the daemon's answer")
    .action(async (options: unknown) => context.exit(await gc(GcOptions.parse(options), context)));
  addCommand(
    program,
    "reindex",
    "make the daemon's store anew from the sessions' folders; no daemon may serve the data dir",
    "agentd reindex --data-dir /srv/agents",
  )
    .option("--data-dir <dir>", "where sessions are kept (else AGENTRUNTIME_DATA_DIR)")
    .option("--config <file>", "configuration file (default config.json in the data dir)")
    .action(async (options: unknown) => {
      const { ReindexOptions, reindexStore } = await import("./reindex.ts");
      context.exit(await reindexStore(ReindexOptions.parse(options), context));
    });
}

function addCompletion(program: Command, context: CommandContext): void {
  const shells = Object.keys(shellScripts).filter((name): name is Shell => name in shellScripts);
  const example = "source <(agentd completion bash)\n  agentd completion fish > ~/.config/fish/completions/agentd.fish";
  addCommand(program, "completion", "print what makes a shell complete the words of agentd", example)
    .addArgument(new Argument("<shell>", "which one").choices(shells))
    .action((shell: Shell) => context.exit(printCompletion(shell, context)));
  // Asked by the scripts at each Tab.
  program
    .command("complete [words...]", { hidden: true })
    .action(async (words: string[]) => context.exit(await printCandidates(words, program, context)));
}

/** commander's own shows the program's help for a command that there is not. */
function addHelp(program: Command): void {
  addCommand(program, "help [command]", "display help for a command", "agentd help run").action((name?: string) => {
    if (name === undefined) return program.help();
    const command = program.commands.find((candidate) => candidate.name() === name);
    if (command) return command.help();
    return program.error(`error: unknown command '${name}'`);
  });
}

function addAbout(program: Command, context: CommandContext): void {
  addDaemonOptions(
    addCommand(
      program,
      "audit",
      "who did what to the daemon's sessions and tokens, and from where",
      "agentd audit --follow",
    ),
  )
    .option("--last <count>", "begin so many entries ago (default 100)", parsePositive)
    .option("-f, --follow", "go on")
    .option("--json", "print each as the log has it, one a line")
    .action(async (options: unknown) => context.exit(await audit(AuditOptions.parse(options), context)));
  const about = "print the daemon's token, and keep tokens for others; without another word: print";
  addTokenCommands(addCommand(program, "token", about, "agentd token create ci --scope write --expires 90d"), context);
  addCommand(program, "version", "print the version", "agentd version").action(() =>
    context.terminal.out(`${version}\n`),
  );
}
