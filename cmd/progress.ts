/** How far something is that a person waits for: one line that changes on a terminal, a line now and then elsewhere. */

export interface Progress {
  /** Whether it changes in place, so that what would be many lines can be one. */
  readonly isOneLine: boolean;
  /** Where it stands now. Any number of times; what is worth a line of its own is said by `note`. */
  say(text: string): void;
  /** Makes room for other words, until it is said again or its time comes to turn. */
  hide(): void;
  /** Takes the line away. To be called however it ends. */
  end(): void;
}

/** A terminal, as far as a line on it needs one. */
export interface LineScreen {
  readonly columns?: number;
  write(text: string): unknown;
}

interface ProgressOptions {
  stream: LineScreen;
  /** Whether the line may change in place. */
  isTerminal: boolean;
  nowMs?: () => number;
}

/** What lasts less is not worth a line where lines stay. */
const plainEveryMs = 5000;
const frameMs = 120;
const frames = ["⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"];

export function openProgress({ stream, isTerminal, nowMs = () => performance.now() }: ProgressOptions): Progress {
  return isTerminal ? changingLine(stream) : plainLines(stream, nowMs);
}

function changingLine(stream: LineScreen): Progress {
  let text: string | undefined;
  let frame = 0;
  const draw = () => {
    if (text === undefined) return;
    // One column stays free: a full line would wrap, and the next could not take it away.
    const line = Array.from(`${frames[frame++ % frames.length]} ${text}`).slice(
      0,
      Math.max(1, (stream.columns ?? 80) - 1),
    );
    stream.write(`\r${line.join("")}\x1b[K`);
  };
  const timer = setInterval(draw, frameMs);
  timer.unref();
  const hide = () => {
    if (text !== undefined) stream.write("\r\x1b[K");
  };
  return {
    isOneLine: true,
    say: (wanted) => {
      const isFirst = text === undefined;
      text = wanted;
      if (isFirst) draw();
    },
    hide,
    end: () => {
      clearInterval(timer);
      hide();
      text = undefined;
    },
  };
}

function plainLines(stream: LineScreen, nowMs: () => number): Progress {
  let saidAt = nowMs();
  let said = "";
  return {
    isOneLine: false,
    say: (text) => {
      const now = nowMs();
      if (text === said || now - saidAt < plainEveryMs) return;
      saidAt = now;
      said = text;
      stream.write(`${text}\n`);
    },
    hide: () => {},
    end: () => {},
  };
}
