/** What a person types: whole lines, and on a terminal single keys while they are wanted. */
import { createInterface } from "node:readline";
import { PassThrough, type Readable } from "node:stream";

/** Standard input; what belongs to a terminal is there only when it is one. */
type TypedStdin = Readable & { isTTY?: boolean; setRawMode?(isRaw: boolean): unknown };

export interface TypedInputOptions {
  stdin: TypedStdin;
  onLine(line: string): void;
  /** After the last line: the end of a file or a pipe, or Ctrl+D. */
  onEnd(): void;
  /** True when the key means something; another one begins a line. */
  onKey(key: string): boolean;
  /** Ctrl+C where the terminal does not make a signal of it. */
  onInterrupt(): void;
  /** Shows what was typed, where the terminal does not. */
  echo(text: string): void;
}

export interface TypedInput {
  /** Whether single keys are wanted; without a terminal they never come. */
  wantKeys(isWanted: boolean): void;
  close(): void;
}

/** Someone in the midst of typing must not answer by accident: what comes so soon after a question is text. */
export const typingMs = 500;
const interruptKey = "\x03";
const endKey = "\x04";

export function openTypedInput({ stdin, onLine, onEnd, onKey, onInterrupt, echo }: TypedInputOptions): TypedInput {
  const typed = new PassThrough();
  const lines = createInterface({ input: typed, terminal: false });
  let isWanted = false;
  /** Since when keys come one by one; undefined while the terminal collects lines. */
  let keysSince: number | undefined;

  const adjust = () => {
    const isOn = isWanted && stdin.isTTY === true;
    if (isOn === (keysSince !== undefined)) return;
    stdin.setRawMode?.(isOn);
    keysSince = isOn ? performance.now() : undefined;
  };
  const leaveKeys = () => {
    stdin.setRawMode?.(false);
    keysSince = undefined;
  };
  const takeKey = (text: string, since: number) => {
    if (text === interruptKey) return onInterrupt();
    if (text === endKey) return lines.close();
    if (performance.now() - since >= typingMs && onKey(text)) return;
    // The rest of the line is the terminal's to collect, with its own editing.
    leaveKeys();
    echo(text);
    takeText(text.replaceAll("\r", "\n"));
  };
  const takeText = (text: string) => {
    typed.write(text);
    if (text.endsWith("\n")) adjust();
  };

  lines.on("line", onLine);
  lines.once("close", onEnd);
  stdin.on("data", (chunk: Buffer | string) => {
    const text = typeof chunk === "string" ? chunk : chunk.toString("utf8");
    if (keysSince === undefined) takeText(text);
    else takeKey(text, keysSince);
  });
  stdin.on("end", () => typed.end());
  stdin.setEncoding("utf8");
  return {
    wantKeys: (wanted) => {
      isWanted = wanted;
      adjust();
    },
    close: () => {
      if (keysSince !== undefined) leaveKeys();
      lines.close();
      // A terminal or an open pipe would keep the process.
      stdin.destroy();
    },
  };
}
