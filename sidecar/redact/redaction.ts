/**
 * Takes secrets out of all that an agent's session tells, before it is numbered and kept: whole values, the usual spellings
 * of them, and what the operator's patterns match. What people sent is not touched: the agent must get it again as it was.
 */
import * as z from "zod";
import { Decision, ErrorCategory, SessionEvent, ToolKind, TurnStatus } from "../../src/protocol/event.ts";
import type { Overflow } from "../../src/protocol/ndjson.ts";
import type { HarnessOutput } from "../harness.ts";
import { closedBy, OpenTexts, pieceOf, withText } from "./open-texts.ts";
import { type Secrets, SecretWords, shown } from "./secret-words.ts";
import { TextStream } from "./text-stream.ts";

/** Deeper things are kept as their JSON. */
const depthMax = 100;

/** Words that the protocol gives a meaning to: without them an event would be none. No secret is one of them. */
const ownWords = new Set<string>(
  [Decision, ErrorCategory, ToolKind, TurnStatus, z.enum(["expired", "withdrawn", "question", "plan"])].flatMap(
    ({ options }) => options,
  ),
);

/** By these the daemon keeps its books: they are ours, and no pattern may make them others. */
const ownKeys = ["turn_id", "session_id", "kind", "subtype"];

export class Redaction {
  readonly #secrets: Secrets;
  readonly #words: SecretWords;
  readonly #texts: OpenTexts;
  #byteWords: SecretWords | undefined;

  constructor(secrets: Secrets) {
    this.#secrets = secrets;
    this.#words = new SecretWords(secrets);
    this.#texts = new OpenTexts(this.#words);
  }

  /** What may be told of these. The end of a piece of text may come with the next one of its text. */
  pass(outputs: readonly HarnessOutput[], keepsRaw: boolean): HarnessOutput[] {
    const isSuspect = this.#words.mayBeIn(sampleOf(outputs, keepsRaw));
    const told: HarnessOutput[] = [];
    const add = (events: readonly SessionEvent[]) => told.push(...events.map((event) => ({ event })));
    for (const output of outputs) {
      const { event } = output;
      const piece = pieceOf(event);
      if (piece) {
        if (piece.isAnew) add(this.#texts.close(piece.of));
        told.push(
          this.#piece(output, { before: piece.text, now: this.#texts.take(piece, event, isSuspect), isSuspect }),
        );
        add(this.#texts.closeOldest());
        continue;
      }
      const closed = closedBy(event);
      if (closed !== undefined) add(closed === "all" ? this.#texts.closeAll() : this.#texts.close(closed));
      told.push(isSuspect ? this.#hidden(output) : output);
    }
    return told;
  }

  /** A sentence of ours, which may quote the agent. */
  text(given: string): string {
    return this.#words.mayBeIn(given) ? this.#words.hide(given) : given;
  }

  /** The same sink, which gets the bytes without their secrets. */
  sink(inner: Overflow): Overflow {
    this.#byteWords ??= new SecretWords(this.#secrets, { bytes: true });
    const stream = new TextStream(this.#byteWords);
    const write = (text: string) => {
      if (text !== "") inner.write(Buffer.from(text, "latin1"));
    };
    return {
      write: (bytes) => write(stream.push(bytes.toString("latin1"))),
      end: () => {
        write(stream.end());
        inner.end();
      },
    };
  }

  #piece(output: HarnessOutput, text: { before: string; now: string; isSuspect: boolean }): HarnessOutput {
    const { event, raw } = output;
    if (text.now === text.before && !text.isSuspect) return output;
    const told = withText(event, text.now);
    if (raw === undefined) return { event: told };
    // The agent's line has the text as it was.
    const line = text.now === text.before ? raw : withoutText(raw, text.before, text.now);
    return { event: told, raw: this.#words.hideWhole(line) };
  }

  #hidden({ event, raw }: HarnessOutput): HarnessOutput {
    if (event.type === "user_message") return raw === undefined ? { event } : { event, raw };
    const told = SessionEvent.safeParse({ type: event.type, data: this.#data(event.data) });
    return {
      event: told.success ? told.data : { type: "system", data: { subtype: "redacted", event: event.type } },
      ...(raw === undefined ? {} : { raw: this.#words.hideWhole(raw) }),
    };
  }

  #data(given: SessionEvent["data"]): object {
    return Object.fromEntries(
      Object.entries(given).map(([key, value]) => [
        key,
        ownKeys.includes(key) && isPlainWord(value) ? value : this.#value(value, 1),
      ]),
    );
  }

  #value(given: unknown, depth: number): unknown {
    if (typeof given === "string") return ownWords.has(given) ? given : this.#words.hide(given);
    if (typeof given !== "object" || given === null) return given;
    if (depth > depthMax) return this.#words.hide(JSON.stringify(given));
    if (Array.isArray(given)) return given.map((item) => this.#value(item, depth + 1));
    return Object.fromEntries(
      Object.entries(given).map(([key, inner]) => [this.#words.hideValues(key), this.#value(inner, depth + 1)]),
    );
  }
}

/** All texts of a batch in one, so that one look is enough for nearly all batches. */
function sampleOf(outputs: readonly HarnessOutput[], keepsRaw: boolean): string {
  let sample = "";
  for (const { event, raw } of outputs) {
    const isText =
      event.type === "stdout" || event.type === "stderr" || (event.type === "agent_message" && event.data.delta);
    // Nothing between them: what is found across two is looked at more closely, and not found.
    sample += isText ? event.data.text : JSON.stringify(event.data);
    if (keepsRaw && raw !== undefined) sample += raw;
  }
  return sample;
}

function isPlainWord(value: unknown): boolean {
  return value === null || (typeof value === "string" && /^[\w.-]{1,64}$/.test(value));
}

function withoutText(raw: string, before: string, now: string): string {
  const found = JSON.stringify(before);
  return raw.includes(found) ? raw.replaceAll(found, () => JSON.stringify(now)) : JSON.stringify(shown);
}
