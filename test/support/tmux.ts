/** A terminal with a shell in it, of which one sees what a person would. */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { execa } from "execa";
import { eventually } from "./eventually.ts";
import { inPath } from "./in-path.ts";
import { tempDir } from "./temp-dir.ts";

export const tmuxPath = inPath(["tmux"]);

interface Mode {
  isAlternate: boolean;
  isCursorShown: boolean;
  hasPasteMarks: boolean;
  program: string;
}

export interface TmuxTerminal {
  /** A line for the shell. */
  run(command: string): Promise<void>;
  /** Characters, as if they were typed. */
  type(text: string): Promise<void>;
  /** Keys by tmux's names: Enter, PageUp, C-c… one after the other. */
  keys(...names: string[]): Promise<void>;
  /** The rows that are seen, without the spaces at their ends. */
  screen(): Promise<string[]>;
  /** The same as one text, with its colours as escape sequences. */
  painted(): Promise<string>;
  resize(columns: number, rows: number): Promise<void>;
  /** Waits until the screen shows it. */
  sees(what: string | RegExp): Promise<string[]>;
  /** Waits until it does not show it: of Escape, because with the next key in one piece it would be another key. */
  seesNo(text: string): Promise<void>;
  /** Whether a program has the alternate screen, and shows the cursor. */
  mode(): Promise<Mode>;
  /** Waits until the shell has the terminal again, and it is as it was found. */
  isGivenBack(): Promise<void>;
  close(): Promise<void>;
}

export async function openTmux({
  columns = 90,
  rows = 30,
  env = {},
}: {
  columns?: number;
  rows?: number;
  env?: Record<string, string | undefined>;
} = {}): Promise<TmuxTerminal> {
  const dir = await tempDir();
  // Root's prompt would be another.
  const rc = join(dir.path, "rc");
  await writeFile(rc, "PS1='$ '\n");
  const tmux = async (...args: string[]) => {
    const { stdout } = await execa(tmuxPath ?? "tmux", ["-S", join(dir.path, "s"), "-u", "-f", "/dev/null", ...args], {
      env: { LC_ALL: "C.UTF-8", TERM: "xterm-256color", TMUX: undefined, NO_COLOR: undefined, ENV: rc, ...env },
      stdin: "ignore",
    });
    return stdout;
  };
  await tmux("new-session", "-d", "-s", "t", "-x", String(columns), "-y", String(rows), "exec sh -i");
  const screen = async () => {
    const text = await tmux("capture-pane", "-p", "-t", "t");
    return text.split("\n").map((row) => row.trimEnd());
  };
  const sees = async (what: string | RegExp) => {
    let seen: string[] = [];
    const isThere = async () => {
      seen = await screen();
      const text = seen.join("\n");
      return typeof what === "string" ? text.includes(what) : what.test(text);
    };
    await eventually(isThere, { deadlineMs: 60_000, what: `${what} on the screen` }).catch((error) => {
      throw new Error(`${error.message}. It showed:\n${seen.join("\n")}`);
    });
    return seen;
  };
  const seesNo = async (text: string) => {
    const isGone = async () => !(await screen()).join("\n").includes(text);
    await eventually(isGone, { deadlineMs: 60_000, what: `no ${text} on the screen` });
  };
  const close = async () => {
    await tmux("kill-server").catch(() => "");
    await dir.remove();
  };
  await sees("$").catch(async (error) => {
    await close();
    throw error;
  });
  const mode = async (): Promise<Mode> => {
    const format = "#{alternate_on} #{cursor_flag} #{bracket_paste_flag} #{pane_current_command}";
    const said = await tmux("display-message", "-p", "-t", "t", format);
    const [alternate, cursor, paste, program = ""] = said.split(" ");
    return { isAlternate: alternate === "1", isCursorShown: cursor === "1", hasPasteMarks: paste === "1", program };
  };
  const run = async (command: string) => {
    await tmux("send-keys", "-t", "t", "-l", command);
    await tmux("send-keys", "-t", "t", "Enter");
  };
  return {
    run,
    type: async (text) => {
      await tmux("send-keys", "-t", "t", "-l", text);
    },
    keys: async (...names) => {
      for (const name of names) await tmux("send-keys", "-t", "t", name);
    },
    screen,
    painted: () => tmux("capture-pane", "-e", "-p", "-t", "t"),
    resize: async (width, height) => {
      await tmux("resize-window", "-t", "t", "-x", String(width), "-y", String(height));
    },
    sees,
    seesNo,
    mode,
    isGivenBack: async () => {
      await eventually(async () => (await mode()).program === "sh", { what: "the shell" });
      const { isAlternate, isCursorShown, hasPasteMarks } = await mode();
      if (isAlternate || !isCursorShown || hasPasteMarks)
        throw new Error(`The terminal was left as ${JSON.stringify(await mode())}`);
      // Keys are lines again, and shown.
      await run("stty -a | grep -c '[ ;]icanon' && stty -a | grep -c '[ ;]echo '; echo looked");
      // The prompt stands before it when the line was typed before the shell had said it.
      await sees(/^(?:\$ )?1\n1\nlooked$/m);
    },
    close,
  };
}
