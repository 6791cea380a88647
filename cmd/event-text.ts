/** One event → text, for the events that need no memory of earlier ones. Pure. */
import type { EventOf, TurnStatus, Usage } from "../src/protocol/event.ts";
import { formatCost, formatCount, formatDuration } from "./figures.ts";
import { plainLine, plainText, visibleLine } from "./plain-text.ts";
import { resultLines, toolTitle } from "./render-tool.ts";

const styles = { dim: "2", bold: "1", red: "31", green: "32", yellow: "33", cyan: "36" } as const;

/** Gives text a style, on terminals that show one. */
export type Paint = (style: keyof typeof styles, text: string) => string;

export const paintColours: Paint = (style, text) => (text === "" ? "" : `\x1b[${styles[style]}m${text}\x1b[0m`);
export const paintNothing: Paint = (_style, text) => text;

const detailCharsMax = 500;
const wordCharsMax = 80;

export function userMessageText(data: EventOf<"user_message">["data"], paint: Paint): string {
  const kind = data.kind === "prompt" ? "" : `(${data.kind}) `;
  const by = data.by === undefined ? "" : `${plainLine(data.by, wordCharsMax)}: `;
  return `${paint("cyan", `› ${kind}${by}${hang(data.text)}`)}\n`;
}

export function toolUseText(data: EventOf<"tool_use">["data"], paint: Paint): string {
  return `${subagentIndent(data)}${paint("green", "●")} ${paint("bold", toolTitle(data))}\n`;
}

/** Tools run side by side: a result that does not follow its call says whose it is. */
export function toolResultText(
  data: EventOf<"tool_result">["data"],
  options: { followsCall: boolean; paint: Paint },
): string {
  const lines = data.synthetic ? ["(the agent never reported a result)"] : resultLines(data.output);
  if (!options.followsCall) lines.unshift(`${visibleLine(data.name, wordCharsMax)}:`);
  const indent = `${subagentIndent(data)}  `;
  return lines.map((line) => `${indent}${options.paint(data.is_error ? "red" : "dim", line)}\n`).join("");
}

/** The text of a turn is its last message: shown again only if nobody has seen it, or if it says what went wrong. */
export function resultText(
  data: EventOf<"result">["data"],
  options: { isTextSeen: boolean; saidError: string | undefined; paint: Paint },
): string {
  const { paint, saidError } = options;
  const facts: string[] = [data.status];
  if (data.reason !== undefined) facts.push(plainLine(data.reason, detailCharsMax));
  if (data.error_category !== undefined) facts.push(data.error_category);
  facts.push(formatDuration(data.duration_ms));
  if (data.cost_usd !== null) facts.push(formatCost(data.cost_usd));
  facts.push(usageText(data.usage));
  if (data.origin === "agent") facts.push("begun by the agent");
  const isGood = data.status === "success";
  const text = plainText(data.text ?? "").trim();
  const isNews = text !== "" && text !== saidError && (!options.isTextSeen || data.status === "error");
  const body = isNews ? `${isGood ? text : paint("red", text)}\n` : "";
  const remedy = saidError === undefined ? remedyText(data, paint) : "";
  return `${body}${remedy}${paint(isGood ? "dim" : "yellow", `— ${facts.join(" · ")}`)}\n`;
}

export function errorText(data: EventOf<"error">["data"], paint: Paint): string {
  const category = plainLine(data.error_category ?? data.code, wordCharsMax);
  // Of one that ends the session the exit, which follows, says how.
  const hint = data.retryable && data.error_category !== "sidecar_lost" ? " (trying again may help)" : "";
  return `${paint("red", `✗ ${category}: ${hang(data.message)}${hint}`)}\n${remedyText(data, paint)}`;
}

/** Of a sidecar that was started by hand, or an older one. */
const loginRemedy =
  'Log in with the agent\'s own program, or set agents.NAME.key_env in the configuration ("agentd doctor" says what is missing)';

/** What a person can do about it, where that is not in the message. */
function remedyText(data: { error_category?: string | undefined; advice?: string | undefined }, paint: Paint): string {
  const advice = data.advice ?? (data.error_category === "auth_error" ? loginRemedy : undefined);
  return advice === undefined ? "" : `${paint("yellow", `  ${hang(advice)}`)}\n`;
}

/** What came before an exit. */
export interface BeforeExit {
  /** The last error that was shown, which an exit repeats for those who read nothing else. */
  saidError: string | undefined;
  /** What became of the last turn that has ended: a session for one prompt ends when that is interrupted. */
  lastTurn: TurnStatus | undefined;
}

export function exitText(
  data: EventOf<"exit">["data"],
  { saidError, lastTurn, sessionId, paint }: BeforeExit & { sessionId: string; paint: Paint },
): string {
  const how = data.signal === undefined ? `code ${data.code}` : `${plainLine(data.signal, 20)}, code ${data.code}`;
  const category = data.error_category === undefined ? "" : ` · ${data.error_category}`;
  const cause = data.error_detail?.trim();
  const detail = data.error_detail && cause && cause !== saidError ? `\n  ${hang(data.error_detail)}` : "";
  const wish = lastTurn === "interrupted" ? " after its last turn was interrupted" : "";
  const end = `${paint(exitStyle(data, lastTurn), `■ The agent ended with ${how}${wish}${category}${detail}`)}\n`;
  // The conversation is not to blame, and is there to be gone on with.
  if (data.retryable !== true) return end;
  return `${end}${paint("yellow", `  To go on from here: agentd run --resume ${sessionId} "…"`)}\n`;
}

export function exitStyle(
  { code, error_category: category }: EventOf<"exit">["data"],
  lastTurn: TurnStatus | undefined,
): "dim" | "yellow" | "red" {
  if (code === 0) return "dim";
  const isWish = lastTurn === "interrupted" && (category === undefined || category === "stopped");
  return isWish ? "yellow" : "red";
}

/** A line about the session itself, when it has something for people to read. */
export function noteText(what: string, data: Readonly<Record<string, unknown>>, paint: Paint): string {
  const candidates = [data["message"], data["text"], data["detail"], data["reason"]];
  const text = candidates.find((value) => typeof value === "string" && value.trim() !== "");
  if (typeof text !== "string") return "";
  return `${paint("dim", `· ${plainLine(what, wordCharsMax)}: ${plainLine(text, detailCharsMax)}`)}\n`;
}

export function unreadableText(line: string, paint: Paint): string {
  return `${paint("dim", `· unreadable: ${plainLine(line, detailCharsMax)}`)}\n`;
}

/** What a subagent says and does stands under the call that started it. */
export function subagentIndent(data: { parent_id?: string | undefined }): string {
  return data.parent_id === undefined ? "" : "  ";
}

/** Lines after the first stand under it. */
function hang(text: string): string {
  return plainText(text).trim().replaceAll("\n", "\n  ");
}

function usageText(usage: Usage): string {
  const cached = usage.cache_read_input_tokens;
  const input = usage.input_tokens + cached + usage.cache_creation_input_tokens;
  const hint = cached > 0 ? ` (${formatCount(cached)} cached)` : "";
  return `${formatCount(input)} in${hint}, ${formatCount(usage.output_tokens)} out`;
}
