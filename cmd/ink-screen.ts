/**
 * A screen by Ink: it lays the rows out and reads keys. A bundle of its own, which is read only when a view opens. Ours is the
 * alternate screen, which Ink does not know: what was on the terminal before comes back with its end. Ours is the painting
 * too: Ink 6.8 writes a whole frame for each change, or loses count of its rows (`incrementalRendering`), and takes what was
 * scrolled off with it where a frame fills the terminal. In its debug mode it hands out each frame and leaves the rest to us.
 */
import { writeSync } from "node:fs";
import { Box, type Key as InkKey, render, Text, useInput } from "ink";
import { createElement, type ReactNode } from "react";
import type { Key, NamedKey, Scene, Screen, Size } from "./screen.ts";

/** The alternate screen, and pasted text with marks around it. */
const enter = "\x1b[?1049h\x1b[?2004h\x1b[?25l\x1b[2J";
const leave = "\x1b[?2004l\x1b[?1049l\x1b[?25h";
const framesPerSecond = 25;
const earlyKeysMax = 1000;

export function openInkScreen(): Screen {
  const { stdout } = process;
  // Whoever types before the first view is there means that view.
  const early: Key[] = [];
  let scene: Scene = {
    draw: () => [],
    key: (key) => {
      if (early.length < earlyKeysMax) early.push(key);
    },
  };
  let isOpen = true;
  let due: NodeJS.Timeout | undefined;
  const restore = () => {
    if (!isOpen) return;
    isOpen = false;
    // Also while the process ends, whatever ends it: nothing that waits would still be written.
    try {
      writeSync(stdout.fd, leave);
    } catch {
      // The terminal is gone, and nobody looks at it.
    }
  };
  const readKey = keyReader((key) => scene.key(key));
  const size = (): Size => ({ columns: stdout.columns || 80, rows: stdout.rows || 24 });
  const painter = openPainter(stdout);
  const frame = () => createElement(Frame, { rows: scene.draw(size()), onInput: readKey });
  const draw = () => {
    clearTimeout(due);
    due = undefined;
    if (isOpen) ink.rerender(frame());
  };
  const onResize = () => {
    stdout.write("\x1b[2J");
    painter.forget();
    draw();
  };
  process.once("exit", restore);
  stdout.write(enter);
  stdout.on("resize", onResize);
  const ink = render(frame(), {
    stdout: painter.stream,
    exitOnCtrlC: false,
    patchConsole: false,
    debug: true,
  });
  return {
    get size() {
      return size();
    },
    show: (next) => {
      scene = next;
      for (const key of early.splice(0)) scene.key(key);
      draw();
    },
    refresh: () => {
      due ??= setTimeout(draw, 1000 / framesPerSecond);
    },
    close: async () => {
      clearTimeout(due);
      stdout.off("resize", onResize);
      ink.unmount();
      process.off("exit", restore);
      isOpen = false;
      await new Promise<void>((resolve) => stdout.write(leave, () => resolve()));
    },
  };
}

function Frame({
  rows,
  onInput,
}: {
  rows: readonly string[];
  onInput: (input: string, key: InkKey) => void;
}): ReactNode {
  useInput(onInput);
  // A row of nothing would have no height.
  const lines = rows.map((row, at) => createElement(Text, { key: at, wrap: "truncate" }, row === "" ? " " : row));
  return createElement(Box, { flexDirection: "column" }, lines);
}

/** What Ink writes to: of a frame only the rows that have changed reach the terminal, all at once where it knows how. */
function openPainter(stdout: NodeJS.WriteStream): { stream: NodeJS.WriteStream; forget(): void } {
  let shown: string[] = [];
  const paint = (frame: string) => {
    const rows = frame.split("\n");
    let changes = "";
    for (let at = 0; at < Math.max(rows.length, shown.length); at++) {
      const row = rows[at] ?? "";
      // Erased before and not behind: behind a row that is full the cursor stands on its last character.
      if (row !== (shown[at] ?? "")) changes += `\x1b[${at + 1};1H\x1b[2K${row}`;
    }
    shown = rows;
    if (changes !== "") stdout.write(`\x1b[?2026h${changes}\x1b[?2026l`);
  };
  const write = (chunk: string): boolean => {
    // It hides the cursor, and shows it again at the end.
    if (chunk.startsWith("\x1b[?25")) return stdout.write(chunk);
    paint(chunk);
    return true;
  };
  const stream = new Proxy(stdout, {
    get: (target, name) => {
      if (name === "write") return write;
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
  return {
    stream,
    forget: () => {
      shown = [];
    },
  };
}

const pasteStart = "[200~";
const pasteEnd = "[201~";

/** Ink's keys → ours; what comes between the marks of a paste is text, line ends too. */
function keyReader(onKey: (key: Key) => void): (input: string, key: InkKey) => void {
  let pasted: string | undefined;
  return (input, key) => {
    if (input === pasteStart) pasted = "";
    else if (input === pasteEnd) {
      if (pasted) onKey({ name: "text", text: pasted, isPasted: true });
      pasted = undefined;
    } else if (pasted !== undefined) pasted += key.return ? "\n" : input.replaceAll("\r", "\n");
    else for (const each of keysOf(input, key)) onKey(each);
  };
}

function keysOf(input: string, key: InkKey): Key[] {
  const name = nameOf(key);
  if (name) return [{ name }];
  if (key.ctrl) return /^[a-z]$/.test(input) ? [{ name: "ctrl", letter: input }] : [];
  if (input === "" || key.meta) return [];
  // Typed faster than it was read: words and keys in one piece.
  return (input.match(/\p{Cc}|\P{Cc}+/gu) ?? []).flatMap((part): Key[] => {
    const code = part.charCodeAt(0);
    if (code >= 0x20 && code !== 0x7f) return [{ name: "text", text: part }];
    const name = controlNames[part];
    if (name) return [{ name }];
    return code > 0 && code <= 26 ? [{ name: "ctrl", letter: String.fromCharCode(code + 0x60) }] : [];
  });
}

const controlNames: Readonly<Record<string, NamedKey>> = {
  "\r": "enter",
  "\n": "enter",
  "\t": "tab",
  "\b": "backspace",
  "\x7f": "backspace",
};

function nameOf(key: InkKey): NamedKey | undefined {
  if (key.return) return "enter";
  if (key.tab) return key.shift ? "back-tab" : "tab";
  // What most keyboards send for Backspace Ink calls delete.
  if (key.backspace || key.delete) return "backspace";
  if (key.upArrow) return "up";
  if (key.downArrow) return "down";
  if (key.leftArrow) return "left";
  if (key.rightArrow) return "right";
  if (key.pageUp) return "page-up";
  if (key.pageDown) return "page-down";
  if (key.home) return "home";
  if (key.end) return "end";
  return key.escape ? "escape" : undefined;
}
