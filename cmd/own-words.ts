/** What this process typed and the log will say again: on a terminal the person has seen it already. Pure. */
import * as z from "zod";

const UserMessage = z.object({ type: z.literal("user_message"), data: z.object({ text: z.string() }) });
const userMessageStart = '{"type":"user_message"';

export class OwnWords {
  readonly #expected: string[] = [];

  /** Said before it is sent: the log may be faster than the answer. */
  expect(text: string): void {
    this.#expected.push(text);
  }

  /** It was refused: the log will not have it. */
  forget(text: string): void {
    const at = this.#expected.indexOf(text);
    if (at !== -1) this.#expected.splice(at, 1);
  }

  /** Whether a log line is one of them, each once. A steer may come back as a prompt, so only its words count. */
  includes(line: string): boolean {
    if (this.#expected.length === 0 || !line.startsWith(userMessageStart)) return false;
    const text = textOf(line);
    if (text === undefined || !this.#expected.includes(text)) return false;
    this.forget(text);
    return true;
  }
}

/** Undefined for a line that was damaged on the daemon's disk. */
function textOf(line: string): string | undefined {
  try {
    return UserMessage.safeParse(JSON.parse(line)).data?.data.text;
  } catch {
    return undefined;
  }
}
