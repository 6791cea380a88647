/** The whole of a terminal as a place for one view at a time: lines out, keys in. What draws it is loaded only when one opens. */
import type { Terminal } from "./terminal.ts";

export interface Size {
  columns: number;
  rows: number;
}

export type Key =
  /** Characters that were typed, several if faster than they were read; or that were pasted, which are never meant as keys. */
  { name: "text"; text: string; isPasted?: true } | { name: "ctrl"; letter: string } | { name: NamedKey };
export type NamedKey =
  | "enter"
  | "escape"
  | "tab"
  | "back-tab"
  | "backspace"
  | "up"
  | "down"
  | "left"
  | "right"
  | "page-up"
  | "page-down"
  | "home"
  | "end";

export interface Scene {
  /** At most so many rows, none wider than the columns; made safe and painted already. */
  draw(size: Size): readonly string[];
  key(key: Key): void;
}

export interface Screen {
  readonly size: Size;
  show(scene: Scene): void;
  /** What the scene draws has changed. Drawn soon, and not more often than eyes follow. */
  refresh(): void;
  /** Gives the terminal back as it was found. Resolves when that is written. */
  close(): Promise<void>;
}

/** What draws a screen is not there: a program that was copied without the files beside it. */
export class ScreenMissing extends Error {
  constructor(cause: unknown) {
    super("Cannot open a view: the file ink-screen.js is not beside this program. Install agentruntime again", {
      cause,
    });
    this.name = "ScreenMissing";
  }
}

/** A screen for a view, where a person sits before one and wants it. */
export async function screenFor(
  terminal: Terminal,
  { plain, json }: { plain: boolean; json: boolean },
): Promise<Screen | undefined> {
  if (!terminal.isScreen || plain || json) return undefined;
  try {
    return await openScreen();
  } catch (error) {
    if (!(error instanceof ScreenMissing)) throw error;
    // Lines are better than none.
    terminal.note(`${error.message}. Showing lines`);
    return undefined;
  }
}

export async function openScreen(): Promise<Screen> {
  const { openInkScreen } = await import("./ink-screen.ts").catch((error) => {
    throw error instanceof Error && "code" in error && error.code === "ERR_MODULE_NOT_FOUND"
      ? new ScreenMissing(error)
      : error;
  });
  return openInkScreen();
}
