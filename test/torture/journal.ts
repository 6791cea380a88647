/** What the counting agent wrote down of itself: what it was given, what it asked, how far it had counted. */
import { readFileSync } from "node:fs";
import { join } from "node:path";

export interface Journal {
  /** Of its process, once it runs. */
  pid: number | undefined;
  /** How often it was given each text. */
  got: Map<string, number>;
  asked: Set<string>;
  /** Answers, by question. */
  answered: Map<string, string>;
  /** The last number that is certain to be in its pipe. */
  said: number;
}

export function journalOf(folder: string, sessionId: string): Journal {
  const journal: Journal = { pid: undefined, got: new Map(), asked: new Set(), answered: new Map(), said: 0 };
  let text: string;
  try {
    text = readFileSync(join(folder, `${sessionId}.ndjson`), "utf8");
  } catch {
    // It never ran.
    return journal;
  }
  for (const line of text.split("\n").slice(0, -1)) {
    const entry = JSON.parse(line);
    if (entry.pid !== undefined) journal.pid = entry.pid;
    else if (entry.got !== undefined) journal.got.set(entry.got, (journal.got.get(entry.got) ?? 0) + 1);
    else if (entry.asked !== undefined) journal.asked.add(entry.asked);
    else if (entry.answered !== undefined) journal.answered.set(entry.answered, entry.behavior);
    else if (entry.said !== undefined) journal.said = entry.said;
  }
  return journal;
}
