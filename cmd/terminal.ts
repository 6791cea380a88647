/** Where commands print. Results go to stdout, everything about them to stderr. */
import type { Environment } from "../src/client/daemon-address.ts";
import { endProcess } from "./end-process.ts";
import { openProgress, type Progress } from "./progress.ts";

export interface Terminal {
  /** Standard output; nothing is added. */
  out(text: string): void;
  /** One line on standard error. */
  note(line: string): void;
  /** How far something is, on standard error; one at a time. */
  progress(): Progress;
  /** From now on the end of who reads what is printed is no reason to end: others are served. */
  outlive(): void;
  /** Whether standard output shows colours. */
  readonly colour: boolean;
  /** Whether a person sits before it who can be shown a view that changes, and whose keys come one by one. */
  readonly isScreen: boolean;
}

export function openTerminal(env: Environment): Terminal {
  const { stdin, stdout, stderr } = process;
  // The reader of our output went away (`agentd logs s | head`): there is nobody left to tell.
  const end = (code: number) => {
    if (!isOutlived) endProcess(code);
  };
  let isOutlived = false;
  stdout.on("error", (error) => end("code" in error && error.code === "EPIPE" ? 0 : 1));
  stderr.on("error", () => end(1));
  const isDumb = env["TERM"] === "dumb" || !env["TERM"];
  let open: Progress | undefined;
  return {
    outlive: () => {
      isOutlived = true;
    },
    out: (text) => {
      if (text === "") return;
      if (stdout.isTTY) open?.hide();
      stdout.write(text);
    },
    note: (line) => {
      open?.hide();
      stderr.write(`${line}\n`);
    },
    progress: () => {
      open?.end();
      open = openProgress({ stream: stderr, isTerminal: stderr.isTTY === true && !isDumb });
      return open;
    },
    colour: stdout.isTTY === true && !env["NO_COLOR"] && env["TERM"] !== "dumb",
    isScreen: stdin.isTTY === true && stdout.isTTY === true && !isDumb,
  };
}
