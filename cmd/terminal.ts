/** Where commands print. Results go to stdout, everything about them to stderr. */
import type { Environment } from "../src/client/daemon-address.ts";

export interface Terminal {
  /** Standard output; nothing is added. */
  out(text: string): void;
  /** One line on standard error. */
  note(line: string): void;
  /** Whether standard output shows colours. */
  readonly colour: boolean;
}

export function openTerminal(env: Environment): Terminal {
  // The reader of our output went away (`agentd logs s | head`): there is nobody left to tell.
  process.stdout.on("error", (error) => process.exit("code" in error && error.code === "EPIPE" ? 0 : 1));
  process.stderr.on("error", () => process.exit(1));
  return {
    out: (text) => {
      if (text !== "") process.stdout.write(text);
    },
    note: (line) => {
      process.stderr.write(`${line}\n`);
    },
    colour: process.stdout.isTTY === true && !env["NO_COLOR"] && env["TERM"] !== "dumb",
  };
}
