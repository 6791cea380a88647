/** `opencode serve` as a process on a port of its own, ready to be asked. */
import { createServer } from "node:net";
import { marksOf } from "../../src/process/session-marks.ts";
import type { Bootstrap } from "../../src/protocol/bootstrap.ts";
import { type AgentProcess, type LineBatch, type ProcessExit, startAgentProcess } from "../agent-process.ts";
import type { HarnessHost } from "../harness.ts";

export interface ServerProcess {
  process: AgentProcess;
  /** Undefined when it ended before it was ready. */
  url: string | undefined;
}

export interface ServerStart {
  bootstrap: Bootstrap;
  host: HarnessHost;
  /** Program, arguments and environment for a port. */
  settings(port: number): { command: string[]; env: Record<string, string> };
  /** Called as soon as there is a process to be stopped. */
  onProcess(process: AgentProcess): void;
  onStdoutLines(batch: LineBatch): Promise<void>;
  onStderrLines(batch: LineBatch): Promise<void>;
}

const startsMax = 3;
const readyMsMax = 60_000;
const readyLine = /listening on (http:\/\/\S+)/;
/** Of a port that somebody else took between our choice and its start (1.18.33). */
const portTaken = /ServeError|EADDRINUSE/;

/** Rejects with a sentence for people when the program cannot be started. */
export async function startServer(start: ServerStart): Promise<ServerProcess> {
  for (let count = 1; ; count++) {
    const started = await startOnce(start);
    if (started.url !== undefined || count === startsMax || !portTaken.test(started.process.stderrTail)) return started;
    await started.process.ended;
  }
}

async function startOnce(start: ServerStart): Promise<ServerProcess> {
  const { session_dir, work_dir, limits } = start.bootstrap;
  let found: (url: string) => void = () => undefined;
  const ready = new Promise<string>((resolve) => {
    found = resolve;
  });
  const agentProcess = await startAgentProcess({
    ...start.settings(await freePort()),
    workDir: work_dir,
    marks: marksOf(start.bootstrap),
    sessionDir: session_dir,
    limits,
    host: start.host,
    onLines: (batch) => {
      for (const line of batch.lines) {
        const url = readyLine.exec(line)?.[1];
        if (url !== undefined) found(url);
      }
      return start.onStdoutLines({ ...batch, lines: batch.lines.filter((line) => !readyLine.test(line)) });
    },
    onStderrLines: start.onStderrLines,
  });
  start.onProcess(agentProcess);
  return { process: agentProcess, url: await readyWithin(ready, agentProcess) };
}

async function readyWithin(ready: Promise<string>, agentProcess: AgentProcess): Promise<string | undefined> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<undefined>((resolve) => {
    timer = setTimeout(() => {
      void agentProcess.stop([]);
      resolve(undefined);
    }, readyMsMax);
  });
  // Its last words are read before its end is believed.
  const ended: Promise<ProcessExit> = agentProcess.ended;
  const url = await Promise.race([ready, ended.then(() => undefined), late]);
  clearTimeout(timer);
  return url;
}

/** Port 0 would take the well-known one of the program, where a person's own clients look for a person's own server. */
async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve, reject) => server.once("error", reject).listen(0, "127.0.0.1", resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === "string") throw new Error("Cannot find a free port for opencode");
  return address.port;
}
