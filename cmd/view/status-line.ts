/** What a session is at, in one line: what matters least is left out where there is no room. Pure. */
import type { SessionView } from "../../src/protocol/http.ts";
import { formatCost, formatCount, formatDuration } from "../figures.ts";
import { plainLine } from "../plain-text.ts";
import { cutLine, type Line, lineText, type Span, textWidth } from "./styled-line.ts";

type Shown =
  | "session_id"
  | "name"
  | "agent"
  | "model"
  | "activity"
  | "turn_count"
  | "input_tokens"
  | "output_tokens"
  | "cost_usd";

export interface Facts {
  view: Pick<SessionView, Shown | "created_at" | "ended_at"> | undefined;
  /** By this machine's clock. */
  turnSinceMs: number | undefined;
  nowMs: number;
  connection: "up" | "reading" | "lost" | "ended";
  /** While the log is read, 0 to 1. */
  readShare: number;
  exitCode: number | undefined;
  /** Rows below what is seen. */
  isAtEnd: boolean;
}

const frames = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏";

export function statusLine(facts: Facts, width: number): Line {
  const { view, nowMs } = facts;
  const state = stateOf(facts);
  const parts: { span: Span; worth: number }[] = [{ span: state, worth: 9 }];
  const add = (worth: number, text: string | undefined) => {
    if (text !== undefined && text !== "") parts.push({ span: { text, style: "dim" }, worth });
  };
  add(4, view && plainLine(view.name ?? view.session_id.slice(0, 8), 40));
  add(6, view && plainLine(view.agent, 30));
  add(5, view?.model && plainLine(view.model, 40));
  add(3, view && `turn ${view.turn_count + (facts.turnSinceMs === undefined ? 0 : 1)}`);
  if (view?.input_tokens || view?.output_tokens)
    add(2, `${formatCount(view.input_tokens ?? 0)} in, ${formatCount(view.output_tokens ?? 0)} out`);
  add(7, view?.cost_usd === undefined ? undefined : formatCost(view.cost_usd));
  const ended = view?.ended_at === undefined ? nowMs : Date.parse(view.ended_at);
  add(1, view && formatAgeOf(ended - Date.parse(view.created_at)));
  if (!facts.isAtEnd) parts.push({ span: { text: "↓ more below", style: "yellow" }, worth: 8 });
  return fitted(parts, width);
}

function formatAgeOf(ms: number): string {
  return ms < 60_000 ? `${Math.max(0, Math.floor(ms / 1000))}s` : formatDuration(ms);
}

function fitted(parts: { span: Span; worth: number }[], width: number): Line {
  let kept = parts;
  const line = (): Span[] =>
    kept.flatMap(({ span }, at) => (at === 0 ? [span] : [{ text: " · ", style: "dim" as const }, span]));
  while (kept.length > 1 && textWidth(lineText(line())) > width) {
    const least = Math.min(...kept.map(({ worth }) => worth));
    kept = kept.filter(({ worth }) => worth !== least);
  }
  return cutLine(line(), width);
}

function stateOf({ view, turnSinceMs, nowMs, connection, readShare, exitCode }: Facts): Span {
  if (connection === "reading") return { text: `reading the log ${Math.floor(readShare * 100)}%`, style: "yellow" };
  if (connection === "lost") return { text: "✗ no connection", style: "red" };
  if (connection === "ended")
    return { text: `■ ended, code ${exitCode ?? "?"}`, style: exitCode === 0 ? "dim" : "red" };
  if (view?.activity === "awaiting_input") return { text: "? asks you", style: "yellow" };
  if (view?.activity === "paused") return { text: "‖ paused", style: "yellow" };
  if (turnSinceMs === undefined) return { text: "○ idle", style: "green" };
  const frame = frames[Math.floor(nowMs / 120) % frames.length];
  const word = view?.activity === "retrying" ? "retrying" : "works";
  return { text: `${frame} ${word} ${formatAgeOf(nowMs - turnSinceMs)}`, style: "cyan" };
}
