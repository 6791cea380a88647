/** One session's log after a load: whole, every number of its agent once and in order, and what its bytes are. */
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { LogCheck } from "../tools/log-check.ts";

export interface CheckedLog {
  digest: string;
  lines: number;
  numbers: number;
  /** What must not be. */
  problems: string[];
}

/** `expected`: how many numbers its agent printed; undefined when it was ended before it had printed all. */
export async function checkLog(path: string, expected: number | undefined): Promise<CheckedLog> {
  const hash = createHash("sha256");
  const check = new LogCheck();
  const problems: string[] = [];
  let rest = "";
  let last = 0;
  for await (const chunk of createReadStream(path, { highWaterMark: 1024 * 1024 })) {
    const bytes = chunk as Buffer;
    hash.update(bytes);
    check.push(bytes);
    const parts = (rest + bytes.toString("latin1")).split("\n");
    rest = parts.pop() ?? "";
    for (const part of parts) {
      const number = Number(/^\{"type":"stdout","data":\{"text":"n (\d+) at /.exec(part)?.[1] ?? 0);
      if (number === 0) continue;
      if (number !== last + 1) problems.push(`number ${number} follows ${last}`);
      last = number;
    }
  }
  const { faults, lines, ended } = check.end();
  problems.push(...faults.map(({ kind, message }) => `${kind}: ${message}`));
  if (!ended) problems.push("no exit");
  if (expected !== undefined && last !== expected) problems.push(`${last} numbers of ${expected}`);
  return { digest: hash.digest("hex"), lines, numbers: last, problems };
}
