/** A terminal before which nobody sits, for what only looks at the program's commands. */
import type { Terminal } from "../../cmd/terminal.ts";

const ignore = () => {};
const progress = { isOneLine: false, say: ignore, hide: ignore, end: ignore };

export const noTerminal: Terminal = {
  out: ignore,
  note: ignore,
  progress: () => progress,
  outlive: ignore,
  colour: false,
  isScreen: false,
};
