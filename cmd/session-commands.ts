/** The commands that begin sessions, watch them, speak to them and end them: their words and options. */
import type { Command } from "commander";
import { SessionStatus } from "../src/protocol/session.ts";
import { addCommand } from "./add-command.ts";
import { AttachOptions, attach } from "./attach.ts";
import { addDaemonOptions, type CommandContext, DaemonOptions } from "./client-options.ts";
import { DispatchOptions, dispatch } from "./dispatch.ts";
import { ExportOptions, exportSession } from "./export.ts";
import { ApproveOptions, approve, DenyOptions, deny, InputsOptions, listInputs } from "./inputs.ts";
import { LogsOptions, logs } from "./logs.ts";
import { checkDuration, collect, oneOf, parseCount } from "./option-values.ts";
import { RunOptions, run } from "./run.ts";
import { interrupt, ListOptions, list, remove, StopOptions, speak, stop, wait } from "./sessions.ts";
import { TopOptions, top } from "./top.ts";

export function addSessionCommands(program: Command, context: CommandContext): void {
  addRun(program, context);
  addDispatch(program, context);
  addAttach(program, context);
  addReading(program, context);
  addSpeaking(program, context);
  addAnswering(program, context);
  addEnding(program, context);
}

const typedKeys = `
Typed lines: /steer TEXT redirects the running turn, /interrupt ends it, /leave leaves the session alone,
//x sends /x, any other line is a prompt. Ctrl+C interrupts the turn, twice within 2 s leaves; Ctrl+D leaves.
When a tool waits for permission: /approve, /approve-session or /deny REASON, on a terminal also the keys a, s and d.
When the agent asks: /answer TEXT, or the number of a choice.`;

const topKeys = `
Keys: up and down choose a session, Enter attaches, i interrupts its turn, x stops it (and asks first);
s sorts by something else, r the other way round, / filters, a shows also those that have ended, q leaves.`;

function addRun(program: Command, context: CommandContext): void {
  const example = 'agentd run --model sonnet "Explain this repository"\n  git diff | agentd run -';
  addDaemonOptions(
    addCommand(program, "run [prompt...]", "start a session and watch it; serves a daemon if none answers", example),
  )
    .option("--agent <name>", "the agent, as the daemon's configuration names it (default claude)")
    .option("--work-dir <dir>", "the agent's project folder (default the current one)")
    .option("--resume <session>", "go on with the conversation of a session that has ended, with its agent and folder")
    .option("--model <model>", "model, in the agent's own words")
    .option("--name <name>", "name of the session")
    .option("-i, --interactive", "stay open for more prompts, read from standard input until it ends")
    .option("--env <setting>", "KEY=VALUE for the agent's environment; again for more", collect)
    .option("--trust-workspace", "let the checkout's own settings, hooks and MCP servers act")
    .option("--ask", "let a person decide on tools: the agent asks, and waits for the answer")
    .option("--timeout <duration>", "end the session after this time, such as 90s or 1h30m", checkDuration)
    .option("--json", "print log lines as they are")
    .option("--plain", "lines on a terminal too, as in a pipe")
    .addHelpText("after", `${typedKeys}\nThe end of a file or a pipe lets its prompts finish; then the session ends.`)
    .action(async (words: string[], options: unknown) =>
      context.exit(await run(words, RunOptions.parse(options), context)),
    );
}

const taskFile = `
The file is YAML or JSON: one task, with the fields of POST /sessions, or {defaults, tasks: [TASK…]}. $NAME and \${NAME}
in its texts are taken from the environment, $$ is a dollar; work_dir begins where the file is. One task is waited for and its log
printed; several are started, and waited for with --wait. Exit codes: 0 all went well, 1 a task failed or was refused.`;

function addDispatch(program: Command, context: CommandContext): void {
  const example = "agentd dispatch --config task.yaml\n  agentd dispatch --config tasks.yaml --wait --json";
  addDaemonOptions(addCommand(program, "dispatch", "start the sessions that a file asks for", example))
    .option("--config <file>", "the file with the tasks")
    .option("--server <url>", "the same as --url")
    .option("--wait", "wait for all of them to end")
    .option("--json", "print what became of each as JSON, and no log")
    .option("--schema", "print the JSON schema of such files, for editors, and do nothing else")
    .addHelpText("after", taskFile)
    .action(async (options: unknown) => context.exit(await dispatch(DispatchOptions.parse(options), context)));
}

function addAttach(program: Command, context: CommandContext): void {
  const example = "agentd attach 3f2a91c4\n  agentd attach 3f2a91c4 --json --since 20480";
  addDaemonOptions(addCommand(program, "attach <session>", "watch a session and talk to its agent", example))
    .option("--json", "print log lines as they are")
    .option("--since <offset>", "begin at this byte of the log, for programs that have had the rest", parseCount)
    .option("--no-replay", "begin with what happens from now on")
    .option("--plain", "lines on a terminal too, as in a pipe")
    .addHelpText(
      "after",
      `${typedKeys}\nThe end of a file or a pipe changes nothing: the session is watched until it ends.`,
    )
    .action(async (id: string, options: unknown) =>
      context.exit(await attach(id, AttachOptions.parse(options), context)),
    );
}

function addReading(program: Command, context: CommandContext): void {
  addDaemonOptions(addCommand(program, "ls", "list the daemon's sessions", "agentd ls --all --agent claude"))
    .option("--json", "print them as the daemon sends them")
    .option(
      "--state <status>",
      "only pending, running, completed, failed or orphaned ones",
      oneOf(SessionStatus.options),
    )
    .option("--agent <name>", "only sessions of this agent")
    .option("--all", "also those that have ended")
    .action(async (options: unknown) => context.exit(await list(ListOptions.parse(options), context)));
  addDaemonOptions(addCommand(program, "top", "all sessions on the whole terminal, live", "agentd top --agent claude"))
    .option("--agent <name>", "only sessions of this agent")
    .option("--all", "also those that have ended")
    .addHelpText("after", topKeys)
    .action(async (options: unknown) => context.exit(await top(TopOptions.parse(options), context)));
  addDaemonOptions(
    addCommand(program, "logs <session>", "print a session's log", "agentd logs 3f2a91c4 --json | jq .type"),
  )
    .option("-f, --follow", "go on until the session ends")
    .option("--since <offset>", "begin at this byte of the log (default 0)", parseCount)
    .option("--json", "print log lines as they are")
    .action(async (id: string, options: unknown) => context.exit(await logs(id, LogsOptions.parse(options), context)));
  const example = "agentd export 3f2a91c4 --output conversation.md";
  addDaemonOptions(addCommand(program, "export <session>", "write a session's whole conversation", example))
    .option("--format <format>", "md for people, ndjson for the lines of the log (default md)", oneOf(["md", "ndjson"]))
    .option("--output <file>", "write to this file instead of to standard output")
    .action(async (id: string, options: unknown) =>
      context.exit(await exportSession(id, ExportOptions.parse(options), context)),
    );
}

function addSpeaking(program: Command, context: CommandContext): void {
  for (const kind of ["prompt", "steer"] as const) {
    const what = kind === "prompt" ? "send a prompt; it waits for its turn" : "redirect the running turn";
    addDaemonOptions(
      addCommand(program, `${kind} <session> <text...>`, what, `agentd ${kind} 3f2a91c4 "Use tabs, not spaces"`),
    ).action(async (typedId: string, words: string[], options: unknown) =>
      context.exit(await speak({ kind, typedId, words }, DaemonOptions.parse(options), context)),
    );
  }
  addDaemonOptions(
    addCommand(program, "interrupt <session>", "end the running turn; the session stays", "agentd interrupt 3f2a91c4"),
  ).action(async (id: string, options: unknown) =>
    context.exit(await interrupt(id, DaemonOptions.parse(options), context)),
  );
}

function addAnswering(program: Command, context: CommandContext): void {
  addDaemonOptions(
    addCommand(program, "inputs <session>", "show what the agent asks a person", "agentd inputs 3f2a91c4"),
  )
    .option("--json", "print it as the daemon sends it")
    .action(async (id: string, options: unknown) =>
      context.exit(await listInputs(id, InputsOptions.parse(options), context)),
    );
  const example = 'agentd approve 3f2a91c4\n  agentd approve 3f2a91c4 6af4 --answer "the second one"';
  addDaemonOptions(
    addCommand(
      program,
      "approve <session> [request]",
      "say yes to the oldest open question, or to the one named",
      example,
    ),
  )
    .option("--session", "and to the same call for the rest of the session")
    .option("--answer <text>", "the answer to a question: numbers of choices, or words; ; between several")
    .action(async (typedId: string, request: string | undefined, options: unknown) =>
      context.exit(await approve({ typedId, request }, ApproveOptions.parse(options), context)),
    );
  addDaemonOptions(
    addCommand(
      program,
      "deny <session> [request]",
      "say no to the oldest open question, or to the one named",
      "agentd deny 3f2a91c4 --message 'Use the staging server'",
    ),
  )
    .option("--message <text>", "told to the agent")
    .action(async (typedId: string, request: string | undefined, options: unknown) =>
      context.exit(await deny({ typedId, request }, DenyOptions.parse(options), context)),
    );
}

function addEnding(program: Command, context: CommandContext): void {
  addDaemonOptions(
    addCommand(program, "stop <session>", "end a session; it stays listed", "agentd stop 3f2a91c4 --drain"),
  )
    .option("--drain", "let queued turns finish first")
    .action(async (id: string, options: unknown) => context.exit(await stop(id, StopOptions.parse(options), context)));
  addDaemonOptions(
    addCommand(program, "wait <session>", "wait until a session has ended", "agentd wait 3f2a91c4 && make test"),
  ).action(async (id: string, options: unknown) => context.exit(await wait(id, DaemonOptions.parse(options), context)));
  addDaemonOptions(
    addCommand(program, "rm <session>", "end a session and take it off the list; its log stays", "agentd rm 3f2a91c4"),
  ).action(async (id: string, options: unknown) =>
    context.exit(await remove(id, DaemonOptions.parse(options), context)),
  );
}
