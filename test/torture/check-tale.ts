/** Holds what a session's log says against what its clients were promised and what its agent wrote down. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { LoggedEvent } from "../support/client-socket.ts";
import { LogCheck } from "../tools/log-check.ts";
import { checkPieces } from "./check-pieces.ts";
import { journalOf } from "./journal.ts";
import type { Heard } from "./model-diary.ts";
import type { Tale } from "./tale.ts";

export interface Verdict {
  /** What must not be. */
  problems: string[];
  events: number;
  /** Numbers of the agent's own that are in the log. */
  numbers: number;
  lost: number;
  doubled: number;
  /** Numbers that were in the pipe of a sidecar that was killed. */
  tail: number;
  prompts: number;
  answers: number;
  outcomes: Record<string, number>;
}

/** What the model of a real agent was told of a text. */
export type HeardOf = (text: string) => Heard;

export interface CheckedFolders {
  dataDir: string;
  journalDir: string;
}

export function checkTale(tale: Tale, folders: CheckedFolders, heard?: HeardOf): Verdict {
  const verdict: Verdict = {
    problems: [],
    events: 0,
    numbers: 0,
    lost: 0,
    doubled: 0,
    tail: 0,
    prompts: tale.accepted.size,
    answers: tale.answers.size,
    outcomes: {},
  };
  const blame = (what: string) => verdict.problems.push(`${tale.id}: ${what}`);
  for (const fault of tale.faults) blame(fault);
  const dir = join(folders.dataDir, "sessions", tale.id);
  if (!tale.isCreated) {
    if (existsSync(dir)) blame(`it was never created and has a folder with ${readdirSync(dir).join(", ")}`);
    return verdict;
  }
  const bytes = readFileSync(join(dir, "events.ndjson"));
  const report = new LogCheck();
  report.push(bytes);
  const { faults, ended, lines } = report.end();
  verdict.events = lines;
  for (const fault of faults) blame(`${fault.kind} at byte ${fault.at}: ${fault.message}`);
  if (!ended) blame("its log has no exit");
  const events = readableLines(bytes);
  const taken = events.at(-1)?.sidecar_seq ?? 0;
  if (taken < tale.spooledSeq)
    blame(`its sidecar was killed with ${tale.spooledSeq} lines on disk, the log has ${taken} of them`);
  if (heard) checkPieces(events, { sent: tale.sent, verdict, blame });
  else checkNumbers(tale, events, folders, { verdict, blame });
  const got = heard ? givenBy(tale.sent, heard) : journalOf(folders.journalDir, tale.id).got;
  checkTurns(tale, events, got, { verdict, blame });
  checkQuestions(tale, events, folders, { verdict, blame });
  checkEnd(tale, events, blame);
  checkWatchers(tale, bytes, blame);
  const left = readdirSync(dir).filter((name) => /^spool-|^sidecar\.json$|\.tmp$/.test(name));
  if (left.length > 0) blame(`left in its folder: ${left.join(", ")}`);
  return verdict;
}

/** What is no line was blamed by the check of the log; the rest is held against the promises all the same. */
function readableLines(bytes: Buffer): LoggedEvent[] {
  return bytes
    .toString("utf8")
    .split("\n")
    .slice(0, -1)
    .flatMap((line) => {
      try {
        return [JSON.parse(line) as LoggedEvent];
      } catch {
        return [];
      }
    });
}

interface Hand {
  verdict: Verdict;
  blame(what: string): void;
}

/** How often a real agent was given each text, as its model was told. */
function givenBy(sent: ReadonlySet<string>, heard: HeardOf): Map<string, number> {
  return new Map([...sent].map((text) => [text, heard(text).times] as const).filter(([, times]) => times > 0));
}

/** Each number once, in order, from 1: what is missing is missing at the end, and only behind a killed sidecar. */
function checkNumbers(tale: Tale, events: readonly LoggedEvent[], { journalDir }: CheckedFolders, hand: Hand): void {
  const { said } = journalOf(journalDir, tale.id);
  let last = 0;
  for (const { type, data, seq } of events) {
    const number = numberOf(type, data);
    if (number === undefined) continue;
    hand.verdict.numbers += 1;
    if (number <= last) hand.verdict.doubled += 1;
    else if (number > last + 1) hand.verdict.lost += number - last - 1;
    if (number !== last + 1) hand.blame(`number ${number} follows ${last} at seq ${seq}`);
    last = Math.max(last, number);
  }
  if (last >= said) return;
  if (tale.isSidecarKilled) hand.verdict.tail += said - last;
  else {
    hand.verdict.lost += said - last;
    hand.blame(`the agent had said ${said}, the log ends at ${last}`);
  }
}

function numberOf(type: string, data: Record<string, unknown>): number | undefined {
  if (type === "agent_message" && data["delta"] === true) {
    const found = /^#(\d+) /.exec(String(data["text"]));
    return found ? Number(found[1]) : undefined;
  }
  if (type !== "tool_use") return undefined;
  const found = /^true (\d+)$/.exec(String((data["input"] as { command?: unknown })?.command));
  return found ? Number(found[1]) : undefined;
}

/** Each accepted prompt is in the log under its id and has one outcome; none ran twice, or against its outcome. */
function checkTurns(tale: Tale, events: readonly LoggedEvent[], got: ReadonlyMap<string, number>, hand: Hand): void {
  const records = new Map<string, { turnId: string; kind: string; count: number }>();
  const statuses = new Map<string, string>();
  for (const { type, data } of events) {
    if (type === "user_message") {
      const text = String(data["text"]);
      const count = (records.get(text)?.count ?? 0) + 1;
      records.set(text, { turnId: String(data["turn_id"]), kind: String(data["kind"]), count });
    } else if (type === "result") {
      const status = String(data["status"]);
      statuses.set(String(data["turn_id"]), status);
      hand.verdict.outcomes[status] = (hand.verdict.outcomes[status] ?? 0) + 1;
    }
  }
  for (const [text, turnId] of tale.accepted) {
    const record = records.get(text);
    if (!record) hand.blame(`${turnId} was accepted and is not in the log: ${text}`);
    else if (record.turnId !== turnId) hand.blame(`"${text}" was accepted as ${turnId}, the log says ${record.turnId}`);
    // That it has exactly one outcome is held by the check of the log itself; of a steer it is its turn's.
    else if (!statuses.has(turnId)) hand.blame(`${turnId} has no outcome: ${text}`);
  }
  for (const [text, { count }] of records) {
    if (!tale.sent.has(text)) hand.blame(`nobody ever sent this: ${text}`);
    if (count > 1) hand.blame(`it is in the log ${count} times: ${text}`);
  }
  checkRuns({ got, records, statuses, tale, blame: hand.blame });
  for (const turnId of tale.withdrawn) {
    if (statuses.get(turnId) !== "withdrawn") hand.blame(`${turnId} was taken back and ended ${statuses.get(turnId)}`);
  }
}

function checkRuns(found: {
  got: ReadonlyMap<string, number>;
  records: ReadonlyMap<string, { turnId: string; kind: string }>;
  statuses: ReadonlyMap<string, string>;
  tale: Tale;
  blame(what: string): void;
}): void {
  for (const [text, count] of found.got) {
    if (count > 1) found.blame(`the agent was given it ${count} times: ${text}`);
    // A sidecar may die between giving a steer to the agent and writing it down.
    if (!found.records.has(text) && !found.tale.isSidecarKilled)
      found.blame(`the agent was given it and the log does not have it: ${text}`);
  }
  for (const [text, { turnId, kind }] of found.records) {
    const status = found.statuses.get(turnId);
    const runs = found.got.get(text) ?? 0;
    if (kind === "prompt" && status === "success" && runs !== 1)
      found.blame(`${turnId} ended in success and was run ${runs} times: ${text}`);
    if (status === "withdrawn" && runs > 0) found.blame(`${turnId} was taken back and run: ${text}`);
  }
}

/** Each question is closed once, as it was answered, and keeps the id that the agent gave it. */
function checkQuestions(tale: Tale, events: readonly LoggedEvent[], { journalDir }: CheckedFolders, hand: Hand): void {
  const { asked, answered } = journalOf(journalDir, tale.id);
  const open = new Set<string>();
  const closed = new Map<string, string>();
  for (const { type, data } of events) {
    const id = String(data["request_id"]);
    if (type === "input_required") {
      if (open.has(id) || closed.has(id)) hand.blame(`question ${id} is asked twice`);
      open.add(id);
      if (tale.agent === "counts" && !asked.has(id) && !tale.isSidecarKilled) hand.blame(`nobody asked ${id}`);
    } else if (type === "input_resolved") {
      if (!open.delete(id)) hand.blame(`question ${id} is closed ${closed.has(id) ? "twice" : "and was not asked"}`);
      closed.set(id, String(data["decision"]));
    }
  }
  for (const id of open) hand.blame(`question ${id} is never closed`);
  for (const id of tale.listed) if (!closed.has(id)) hand.blame(`question ${id} was listed and is not in the log`);
  for (const [id, decision] of tale.answers) {
    if (closed.get(id) !== decision)
      hand.blame(`question ${id} was answered ${decision}, the log says ${closed.get(id)}`);
  }
  for (const [id, behavior] of answered) {
    const decision = closed.get(id);
    if (behavior === "allow" && !decision?.startsWith("approve") && !tale.isSidecarKilled)
      hand.blame(`the agent was allowed ${id}, the log says ${decision}`);
  }
}

/** How it is listed is how it ended. */
function checkEnd(tale: Tale, events: readonly LoggedEvent[], blame: (what: string) => void): void {
  const exit = events.findLast(({ type }) => type === "exit")?.data;
  // One that said nothing yet may have died with the daemon that was about to bind it.
  const hasSpoken = (events.at(-1)?.sidecar_seq ?? 0) > 0;
  if (exit?.["error_category"] === "sidecar_lost" && hasSpoken && !tale.isSidecarKilled)
    blame(`nobody killed its sidecar, its exit is ${JSON.stringify(exit)}`);
  if (!tale.end || !exit) return;
  const { status, exit_code } = tale.end;
  const words = `it is listed as ${status} with code ${exit_code}, its exit is ${JSON.stringify(exit)}`;
  const isWell = exit["code"] === 0 && exit["signal"] === undefined && exit["error_category"] === undefined;
  if (exit_code !== exit["code"] || (status === "completed" && !isWell)) blame(words);
  // Code 0 of one that was told to end at once is not its own.
  else if (status === "failed" && isWell && !tale.isStopAsked) blame(words);
}

function checkWatchers(tale: Tale, log: Buffer, blame: (what: string) => void): void {
  for (const [index, watcher] of tale.watchers.entries()) {
    const seen = watcher.bytes;
    for (const fault of watcher.faults) blame(`client ${index}: ${fault}`);
    if (!log.subarray(0, seen.length).equals(seen)) blame(`client ${index} saw other bytes than the log's`);
    else if (seen.length < log.length && !watcher.isGone)
      blame(`client ${index} saw ${seen.length} of ${log.length} bytes`);
    if (watcher.isGone && !tale.isDeleteAsked) blame(`client ${index} was told that the session does not exist`);
  }
}
