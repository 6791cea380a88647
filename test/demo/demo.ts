/**
 * `npm run demo [-- --agent NAME --keep --real]`: a real agent's session through agentd, told step by step.
 * Without --real the model is scripted and nothing leaves this machine. Talks to the daemon over HTTP and
 * WebSocket only.
 */
import { mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { execa } from "execa";
import type { ClientSocket, LoggedEvent } from "../support/client-socket.ts";
import { eventually } from "../support/eventually.ts";
import { allProcesses, sessionProcesses } from "../support/processes.ts";
import { agentdPath, type Daemon, startDaemon } from "../support/start-daemon.ts";
import { type TempDir, tempDir } from "../support/temp-dir.ts";
import { LogCheck } from "../tools/log-check.ts";
import { type DemoAgent, type DemoAgentName, demoAgents } from "./agents.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));
const { values: flags } = parseArgs({
  options: {
    agent: { type: "string", default: "claude" },
    keep: { type: "boolean", default: false },
    real: { type: "boolean", default: false },
    help: { type: "boolean", short: "h", default: false },
  },
});

const usage = `Usage: npm run demo [-- OPTIONS]

A real session of an agent through agentd, told step by step. The model is scripted: no account, no key.

  --agent  ${Object.keys(demoAgents).join(", ")}; claude without it
  --keep   leave everything up at the end, until Ctrl+C, with something to try
  --real   ask the real model service, with ANTHROPIC_API_KEY (codex: OPENAI_API_KEY)
  --help   print this`;

const agent = agentNamed(flags.agent);

/** What each step asks. The words in double brackets are for the scripted model; the real one gets the rest. */
const prompts = {
  greet: "Say in two sentences what you can do in this repository. [[slow:2]]",
  write:
    "Write the single line 'written by an agent' into hello.txt with a shell command. " +
    shellWords("echo 'written by an agent' > hello.txt"),
  work: `Run a pause of 3 seconds in the shell, then tell me that you are done. ${shellWords("sh -c 'sleep 3'")}`,
  steer: "Change of plan: mention the word pineapple in your answer.",
  ramble: "Count slowly from one to two hundred, in words. [[slow:60]]",
  again: "Thank you. Say goodbye in one sentence. [[say:Goodbye, and thanks for interrupting so politely.]]",
};

function agentNamed(name: string): DemoAgent & { name: string } {
  if (!Object.hasOwn(demoAgents, name)) {
    console.error(`Cannot show the agent "${name}": there are ${Object.keys(demoAgents).join(", ")}`);
    process.exit(2);
  }
  return { name, ...demoAgents[name as DemoAgentName] };
}

function shellWords(command: string): string {
  return agent.shell(command);
}

/** The real service's key; undefined when the model is scripted. */
function realKey(): string | undefined {
  if (!flags.real) return undefined;
  if (agent.keyEnv === undefined) throw new Error(`--real is not to be had with --agent ${agent.name}`);
  const key = process.env[agent.keyEnv];
  if (!key) throw new Error(`--real asks the real service and needs ${agent.keyEnv} in the environment`);
  return key;
}

/** Ctrl+C, which some starters pass on although the terminal has sent it already: it counts once. */
const interrupted = new Promise<void>((resolve) => {
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => resolve());
});

async function main(): Promise<void> {
  const key = realKey();
  // Behind the options: who mistyped one is told at once.
  await execa("npm", ["run", "build"], { cwd: root, stdio: "inherit" });
  const folder = await tempDir();
  const model = flags.real ? undefined : await agent.startModel();
  let daemon: Daemon | undefined;
  try {
    const repository = await scratchRepository(folder);
    daemon = await startDaemon({
      config: { agents: { [agent.name]: agent.settings(model?.url) } },
      env: { [agent.keyEnv ?? "ANTHROPIC_API_KEY"]: key ?? "scripted-model-needs-no-key", TMPDIR: folder.path },
      ownGroup: true,
    });
    caption(
      `agentd serves ${daemon.url}; the agent is ${agent.title}, ${model ? "the model is scripted, on this machine" : "the model is the real one"}`,
    );
    const shown = perform(daemon, repository);
    await Promise.race([shown, interrupted]);
    // Cut short: what it still waits for will not come.
    shown.catch(() => undefined);
  } finally {
    await daemon?.stop();
    await model?.close();
    await folder.remove();
  }
  const left = allProcesses().filter(({ environment, commandLine }) =>
    `${environment}${commandLine}`.includes(folder.path),
  );
  if (left.length > 0) throw new Error(`processes are left: ${left.map(({ pid }) => pid).join(", ")}`);
  caption("Nothing is left: no process, no file");
}

async function perform(daemon: Daemon, repository: string): Promise<void> {
  const sessionId = await tour(daemon, repository);
  if (flags.keep) await keepUp(daemon, repository);
  else await end(daemon, sessionId);
}

/** The session from its first word to its replay; resolves with its id. */
async function tour(daemon: Daemon, repository: string): Promise<string> {
  const created = await daemon.post("/sessions", {
    ...agent.request,
    agent: agent.name,
    name: "demo",
    interactive: true,
    work_dir: repository,
    prompt: said(prompts.greet),
  });
  if (created.status !== 201) throw new Error(`POST /sessions answered ${created.status}: ${created.text}`);
  const id: string = created.body.session_id;
  const client = await daemon.ws(id, 0);

  caption("A prompt: text streams as the model writes it");
  show(client);
  await resultOf(client, created.body.turn_id, ["success"]);

  caption("A tool writes a file");
  await resultOf(client, await prompt(client, prompts.write), ["success"]);
  console.log(`    hello.txt: ${(await readFile(join(repository, "hello.txt"), "utf8")).trim()}`);
  const bookmark = client.offset ?? 0;

  caption("Steered in mid-turn, while a tool runs");
  const working = await prompt(client, prompts.work);
  await client.event(({ type, data }) => type === "tool_use" && data["turn_id"] === working, 60_000);
  client.send({ type: "steer", data: said(prompts.steer) });
  await resultOf(client, working, ["success"]);

  caption("Interrupted in mid-sentence; the session goes on");
  const rambling = await prompt(client, prompts.ramble);
  await client.event(({ type, data }) => type === "agent_message" && data["turn_id"] === rambling, 60_000);
  client.send({ type: "interrupt" });
  await resultOf(client, rambling, ["interrupted"]);
  await resultOf(client, await prompt(client, prompts.again), ["success"]);

  await replay(daemon, { id, client, bookmark });
  return id;
}

/** Leaves, comes back with a cursor, and compares. */
async function replay(daemon: Daemon, seen: { id: string; client: ClientSocket; bookmark: number }): Promise<void> {
  await seen.client.close();
  const whole = seen.client.bytes;
  caption(`Disconnected. Reconnecting with ?since=${seen.bookmark}, a bookmark from before the steering`);
  const again = await daemon.ws(seen.id, seen.bookmark);
  await again.frame("connected");
  await eventually(() => again.bytes.length >= whole.length - seen.bookmark, { what: "the whole replay" });
  if (!again.bytes.subarray(0, whole.length - seen.bookmark).equals(whole.subarray(seen.bookmark))) {
    throw new Error("the replay differs from what was seen live");
  }
  const { events } = again;
  console.log(
    `    ${events.length} events came again, seq ${events[0]?.seq} to ${events.at(-1)?.seq}, byte for byte as they were seen live`,
  );
  await again.close();
}

async function end(daemon: Daemon, id: string): Promise<void> {
  caption("Stopped; the log is checked line by line");
  const client = await daemon.ws(id);
  await daemon.post(`/sessions/${id}/stop`, { mode: "now" });
  await client.frame("exit", 30_000);
  const log = await daemon.get(`/sessions/${id}/log`);
  const check = new LogCheck();
  check.push(Buffer.from(log.text));
  const report = check.end();
  if (report.faults.length > 0) throw new Error(`the log is damaged: ${JSON.stringify(report.faults)}`);
  if (!report.ended) throw new Error("the log has no exit");
  console.log(
    `    ${report.lines} lines, seq 1 to ${report.lastSeq} without a hole, one result for each prompt, one exit`,
  );
  if (sessionProcesses(id).length > 0) throw new Error("the session's processes are still alive");
}

/** Leaves everything up until Ctrl+C, with something to try. */
async function keepUp(daemon: Daemon, repository: string): Promise<void> {
  const agentd = `node ${agentdPath}`;
  caption("Everything stays up until Ctrl+C.");
  console.log(`
    In a browser: ${daemon.url}/
    The page asks for a token: ${daemon.token}

    In another terminal:

    export AGENTD_URL=${daemon.url} AGENTD_TOKEN=${daemon.token}
    ${agentd} ls
    ${agentd} attach demo                 # type prompts; /steer TEXT, /interrupt; Ctrl+D leaves
    ${agentd} logs demo
    ${agentd} run --agent ${agent.name} --work-dir ${repository} "Hello [[bash:ls]]"
    curl -H "Authorization: Bearer $AGENTD_TOKEN" $AGENTD_URL/sessions/demo
    curl -H "Authorization: Bearer $AGENTD_TOKEN" -H 'Content-Type: application/json' \\
         -d '{"text":"And now?"}' $AGENTD_URL/sessions/demo/prompt
`);
  const held = setInterval(() => {}, 60_000);
  await interrupted;
  clearInterval(held);
}

/** Sends a prompt; resolves with the id of its turn. */
async function prompt(client: ClientSocket, text: string): Promise<string> {
  const seen = client.frames.length;
  client.send({ type: "prompt", data: said(text) });
  const accepted = await eventually(() => client.frames.slice(seen).find((frame) => frame.type === "accepted"), {
    what: "the prompt's acceptance",
  });
  return accepted.turn_id;
}

async function resultOf(client: ClientSocket, turnId: string, expected: readonly string[]): Promise<void> {
  const { data } = await client.event((event) => event.type === "result" && event.data["turn_id"] === turnId, 120_000);
  if (!expected.includes(String(data["status"]))) throw new Error(`turn ${turnId} ended as ${JSON.stringify(data)}`);
}

/** Prints what happens as it happens, until the client is closed. */
function show(client: ClientSocket): void {
  let next = 0;
  let isInText = false;
  client.socket.on("message", () => {
    for (const event of client.events.slice(next)) {
      next++;
      const isDelta = event.type === "agent_message" && event.data["delta"] === true;
      const text = isDelta ? String(event.data["text"]).replaceAll("\n", "\n    ") : oneLine(event);
      if (text === undefined) continue;
      if (isDelta) process.stdout.write(`${isInText ? "" : "    "}${text}`);
      else console.log(`${isInText ? "\n" : ""}    ${text}`);
      isInText = isDelta;
    }
  });
}

/** An event in a few words; nothing for those that would only distract here. */
function oneLine({ type, data }: LoggedEvent): string | undefined {
  if (type === "user_message")
    return `> ${data["kind"] === "prompt" ? "" : `(${data["kind"]}) `}${short(plain(String(data["text"])))}`;
  if (type === "progress" && data["kind"] === "input_delivered")
    return "  (the agent has read what was said in between)";
  if (type === "tool_use") return `* ${data["name"]} ${short(JSON.stringify(data["input"]))}`;
  if (type === "tool_result") return `* ${data["name"]} ended after ${Math.round(Number(data["duration_ms"]))} ms`;
  if (type === "result")
    return `= ${data["turn_id"]} ${data["status"]}, ${data["duration_ms"]} ms, cost ${data["cost_usd"]}`;
  if (type === "error") return `! ${data["code"]}: ${short(data["message"])}`;
  return undefined;
}

function said(text: string): string {
  return flags.real ? plain(text) : text;
}

/** Without what is meant for the scripted model. */
function plain(text: string): string {
  return text.replace(/ *\[\[.*\]\]/, "");
}

function short(value: unknown): string {
  const text = String(value).replaceAll("\n", " ");
  return text.length > 100 ? `${text.slice(0, 99)}…` : text;
}

async function scratchRepository(folder: TempDir): Promise<string> {
  const path = join(folder.path, "repository");
  await mkdir(path);
  await execa("git", ["init", "--quiet", path]);
  return path;
}

function caption(text: string): void {
  console.log(`\n${process.stdout.isTTY ? `\u001b[1m${text}\u001b[0m` : text}`);
}

try {
  if (flags.help) console.log(usage);
  else await main();
} catch (thrown) {
  console.error(`\nThe demo failed: ${thrown instanceof Error ? thrown.message : thrown}`);
  process.exitCode = 1;
}
