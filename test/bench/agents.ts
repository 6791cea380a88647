/** The agents of the benches: programs that print as fast, or as evenly, as is asked of them. */
import { fileURLToPath } from "node:url";

const node = process.execPath;
const script = (name: string) => fileURLToPath(new URL(`agents/${name}`, import.meta.url));

/** Lines of 150 bytes as fast as the pipe takes them, at the first prompt. */
export function floodCommand(lines: number): string[] {
  return [node, script("flood.mjs"), String(lines)];
}

/** Text deltas in the manner of Claude Code, as fast as the pipe takes them, at each prompt. */
export function claudeFloodCommand(deltas: number): string[] {
  return [node, script("claude-flood.mjs"), String(deltas)];
}

/** Lines that carry the time at which they were printed, evenly. */
export function tickerCommand({ lines, perSecond }: { lines: number; perSecond: number }): string[] {
  return [node, script("ticker.mjs"), String(lines), String(perSecond)];
}

/** The configuration of an agent with this command line. */
export function agentOf(command: readonly string[], harness: "generic" | "claude" = "generic") {
  return { harness, command: command[0], args: command.slice(1) };
}
