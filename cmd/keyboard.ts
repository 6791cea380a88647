/** What a person does while watching a session: typed lines, the end of input, Ctrl+C → what is asked of the daemon. */
import { plainText } from "./plain-text.ts";
import type { Terminal } from "./terminal.ts";
import { detachMsMax, drain, interruptByKey, obey, type Talk } from "./typed-acts.ts";
import { openTypedInput, typingMs } from "./typed-input.ts";
import { readTyped, type Typed, typedLineHint } from "./typed-line.ts";

export interface Keyboard extends Talk {
  terminal: Terminal;
  /** `none`: nothing is read, Ctrl+C just leaves. `signals`: Ctrl+C interrupts. `lines`: stdin is read too. */
  input: "none" | "signals" | "lines";
  /** What the end of lines from a file or a pipe means; on a terminal it is Ctrl+D, which leaves. */
  atInputEnd: "watch" | "drain";
  leave: () => void;
}

export interface Listening {
  /** To be called whenever a question has come or gone: single keys are read only while they mean something. */
  adjust(): void;
  stop(): void;
}

export function listen(keyboard: Keyboard): Listening {
  const { input, terminal, leave } = keyboard;
  let interruptedAt = -Infinity;
  const onInterrupt = () => {
    if (input === "none" || performance.now() - interruptedAt < detachMsMax) return leave();
    interruptedAt = performance.now();
    void interruptByKey(keyboard);
  };
  process.on("SIGINT", onInterrupt);
  process.on("SIGTERM", leave);
  const reading = input === "lines" ? readTerminalOrPipe(keyboard, onInterrupt) : undefined;
  if (input === "lines" && process.stdin.isTTY)
    terminal.note(terminal.colour ? `\x1b[2m${typedLineHint}\x1b[0m` : typedLineHint);
  return {
    adjust: () => reading?.adjust(),
    stop: () => {
      process.off("SIGINT", onInterrupt);
      process.off("SIGTERM", leave);
      reading?.stop();
    },
  };
}

const keyHint = "a approves, s approves for this session, d denies; or type /deny REASON";

/** While a permission is open. */
const typedByKey: Readonly<Record<string, Extract<Typed, { type: "approve" | "deny" }>>> = {
  a: { type: "approve", isForSession: false, request: undefined },
  s: { type: "approve", isForSession: true, request: undefined },
  d: { type: "deny", reason: undefined },
};

function readTerminalOrPipe(keyboard: Keyboard, onInterrupt: () => void): Listening {
  const { questions, terminal } = keyboard;
  const isTerminal = process.stdin.isTTY === true;
  // Read to its end by `run -`: it would never say so again.
  const isOverAlready = process.stdin.destroyed || process.stdin.readableEnded;
  let isOver = false;
  // One after the other, so that prompts arrive in the order in which they were typed.
  let doing = Promise.resolve();
  const then = (act: () => Promise<void>) => {
    doing = doing.then(() => (isOver ? undefined : act()));
  };
  const leave = () => {
    isOver = true;
    keyboard.leave();
  };
  const atEnd = async () => {
    if (isTerminal) leave();
    else if (keyboard.atInputEnd === "drain") await drain(keyboard);
  };
  const onKey = (key: string) => {
    const typed = typedByKey[key];
    const { first } = questions;
    // Answered as the very question that is shown, not as whichever is the oldest when the answer goes out.
    if (typed && first) then(() => obey({ ...typed, request: first.request_id }, keyboard, leave));
    return typed !== undefined;
  };
  const typed = isOverAlready
    ? undefined
    : openTypedInput({
        stdin: process.stdin,
        onLine: (line) => then(() => obey(readTyped(line), keyboard, leave)),
        onEnd: () => then(atEnd),
        onKey,
        onInterrupt,
        echo: (text) => terminal.out(plainText(text)),
      });
  if (isOverAlready) then(atEnd);
  let hinted: { requestId: string; timer: NodeJS.Timeout } | undefined;
  return {
    adjust: () => {
      const { first } = questions;
      const isPermission = first?.kind === "permission";
      typed?.wantKeys(isPermission);
      if (!isTerminal || hinted?.requestId === first?.request_id) return;
      clearTimeout(hinted?.timer);
      // Said once the keys count.
      hinted = isPermission
        ? { requestId: first.request_id, timer: setTimeout(() => terminal.note(keyHint), typingMs + 50) }
        : undefined;
    },
    stop: () => {
      isOver = true;
      clearTimeout(hinted?.timer);
      typed?.close();
    },
  };
}
