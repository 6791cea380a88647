/**
 * Proves that a session's log is whole. Independent of the daemon on purpose: it shares no code with what
 * wrote the log, so that a mistake there is not repeated here.
 */

export type FaultKind =
  | "torn_line"
  | "not_json"
  | "not_compact"
  | "missing_field"
  | "seq"
  | "sidecar_seq"
  | "exit_count"
  | "after_exit"
  | "tool_result"
  | "prompt_result";

export interface Fault {
  kind: FaultKind;
  /** Byte position of the line in the file. */
  at: number;
  message: string;
}

export interface Report {
  bytes: number;
  lines: number;
  firstSeq: number | undefined;
  lastSeq: number | undefined;
  sidecarSeq: number;
  byType: Record<string, number>;
  /** Lines that the daemon itself wrote. */
  daemonBorn: number;
  ended: boolean;
  /** By place; of each kind the first ones. */
  faults: Fault[];
  /** Those that are not among them. */
  moreFaults: number;
}

/** Of each kind. */
const faultsMax = 20;

interface Line {
  type: string;
  data: Record<string, unknown>;
  timestamp: number;
  sidecar_seq: number;
  seq: number;
}

const newline = 0x0a;

export class LogCheck {
  readonly #faults = new Map<FaultKind, Fault[]>();
  #moreFaults = 0;
  readonly #byType: Record<string, number> = {};
  readonly #openTools = new Map<string, number>();
  readonly #doneTools = new Set<string>();
  readonly #openPrompts = new Map<string, number>();
  readonly #doneTurns = new Set<string>();
  #partial: Buffer[] = [];
  #partialBytes = 0;
  #at = 0;
  #lines = 0;
  #firstSeq: number | undefined;
  #seq: number | undefined;
  #sidecarSeq: number | undefined;
  #daemonBorn = 0;
  #exits = 0;

  push(chunk: Buffer): void {
    let start = 0;
    for (let end = chunk.indexOf(newline); end !== -1; end = chunk.indexOf(newline, start)) {
      const tail = chunk.subarray(start, end);
      this.#line(this.#partialBytes > 0 ? Buffer.concat([...this.#partial, tail]) : tail);
      this.#partial = [];
      this.#partialBytes = 0;
      start = end + 1;
    }
    if (start === chunk.length) return;
    this.#partial.push(chunk.subarray(start));
    this.#partialBytes += chunk.length - start;
  }

  end(): Report {
    if (this.#partialBytes > 0)
      this.#fault("torn_line", this.#at, `${this.#partialBytes} bytes without a newline at the end`);
    const ended = this.#exits > 0;
    if (ended) {
      for (const [id, at] of this.#openTools) this.#fault("tool_result", at, `tool_use ${id} has no tool_result`);
      for (const [turn, at] of this.#openPrompts) this.#fault("prompt_result", at, `prompt ${turn} has no result`);
    }
    return {
      bytes: this.#at + this.#partialBytes,
      lines: this.#lines,
      firstSeq: this.#firstSeq,
      lastSeq: this.#seq,
      sidecarSeq: this.#sidecarSeq ?? 0,
      byType: this.#byType,
      daemonBorn: this.#daemonBorn,
      ended,
      faults: [...this.#faults.values()].flat().sort((a, b) => a.at - b.at),
      moreFaults: this.#moreFaults,
    };
  }

  #line(bytes: Buffer): void {
    const at = this.#at;
    this.#at += bytes.length + 1;
    this.#lines++;
    const line = this.#parse(bytes, at);
    if (!line) return;
    this.#byType[line.type] = (this.#byType[line.type] ?? 0) + 1;
    this.#count(line, at);
    this.#pair(line, at);
  }

  #parse(bytes: Buffer, at: number): Line | undefined {
    let value: unknown;
    const text = bytes.toString("utf8");
    try {
      value = JSON.parse(text);
    } catch {
      this.#fault("not_json", at, `not JSON: ${JSON.stringify(text.slice(0, 80))}`);
      return undefined;
    }
    if (!isLine(value)) {
      this.#fault("missing_field", at, "a line needs type, data, timestamp, sidecar_seq and seq");
      return undefined;
    }
    if (hasSpaceBetweenTokens(text)) this.#fault("not_compact", at, "there is white space between the JSON tokens");
    return value;
  }

  #count(line: Line, at: number): void {
    if (this.#seq !== undefined && line.seq !== this.#seq + 1) {
      this.#fault("seq", at, `seq ${line.seq} follows ${this.#seq}`);
    }
    this.#firstSeq ??= line.seq;
    this.#seq = line.seq;
    const before = this.#sidecarSeq;
    if (before !== undefined && line.sidecar_seq !== before && line.sidecar_seq !== before + 1) {
      this.#fault("sidecar_seq", at, `sidecar_seq ${line.sidecar_seq} follows ${before}`);
    }
    // Before the first line of a log nothing has been counted; a log whose head is gone may begin anywhere.
    if (before === undefined && line.seq === 1 && line.sidecar_seq > 1) {
      this.#fault("sidecar_seq", at, `the first line has sidecar_seq ${line.sidecar_seq}`);
    }
    if (line.sidecar_seq === (before ?? 0)) this.#daemonBorn++;
    this.#sidecarSeq = line.sidecar_seq;
  }

  #pair(line: Line, at: number): void {
    if (this.#exits > 0) this.#fault("after_exit", at, `${line.type} after exit`);
    if (line.type === "exit" && ++this.#exits > 1) this.#fault("exit_count", at, "a second exit");
    if (line.type === "tool_use")
      this.#open(this.#openTools, this.#doneTools, String(line.data["id"]), at, "tool_result");
    if (line.type === "tool_result")
      this.#close(this.#openTools, this.#doneTools, String(line.data["id"]), at, "tool_result");
    if (line.type === "user_message" && line.data["kind"] === "prompt") {
      this.#open(this.#openPrompts, this.#doneTurns, String(line.data["turn_id"]), at, "prompt_result");
    }
    if (line.type === "result") this.#result(String(line.data["turn_id"]), line.data["origin"] === "agent", at);
  }

  /** A turn that the agent began by itself has a result too, but no prompt. */
  #result(turn: string, isAgents: boolean, at: number): void {
    if (isAgents && !this.#openPrompts.has(turn)) return;
    this.#close(this.#openPrompts, this.#doneTurns, turn, at, "prompt_result");
  }

  #open(open: Map<string, number>, done: Set<string>, id: string, at: number, kind: FaultKind): void {
    if (open.has(id) || done.has(id)) this.#fault(kind, at, `${id} begins twice`);
    open.set(id, at);
  }

  #close(open: Map<string, number>, done: Set<string>, id: string, at: number, kind: FaultKind): void {
    if (open.delete(id)) done.add(id);
    // A log whose head is gone has ends without beginnings.
    else if (this.#firstSeq === 1)
      this.#fault(kind, at, done.has(id) ? `${id} ends twice` : `${id} ends without having begun`);
  }

  #fault(kind: FaultKind, at: number, message: string): void {
    const known = this.#faults.get(kind) ?? [];
    if (known.length < faultsMax) this.#faults.set(kind, [...known, { kind, at, message }]);
    else this.#moreFaults++;
  }
}

function isLine(value: unknown): value is Line {
  if (typeof value !== "object" || value === null) return false;
  const { type, data, timestamp, sidecar_seq, seq } = value as Record<string, unknown>;
  return (
    typeof type === "string" &&
    typeof data === "object" &&
    data !== null &&
    typeof timestamp === "number" &&
    isCount(sidecar_seq) &&
    isCount(seq) &&
    seq > 0
  );
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && Number(value) >= 0;
}

/** Blanks outside of strings; what is left after the strings have been taken out is short. */
function hasSpaceBetweenTokens(text: string): boolean {
  return /\s/.test(text.replace(/"(?:[^"\\]|\\.)*"/g, '""'));
}
