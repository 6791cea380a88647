/** One line for the person below a conversation, and when it is no longer true. Pure. */
import { plainLine } from "../plain-text.ts";
import { detachMsMax, type NoteAbout } from "../typed-acts.ts";
import { type Line, plain } from "./styled-line.ts";

/** What a note is held against. */
export interface Surroundings {
  nowMs: number;
  /** Turns that have ended since the watching began. */
  turnsEnded: number;
  hasEnded: boolean;
  isOpen(requestId: string): boolean;
}

export interface PassingNote {
  line: Line;
  about: NoteAbout;
  sinceMs: number;
  turnsEnded: number;
}

/** What is over the moment it is said can be read all the same. */
const readMsMin = 5000;

export function passingNote(text: string, about: NoteAbout, { nowMs, turnsEnded }: Surroundings): PassingNote {
  return { line: plain(plainLine(text, 500), "yellow"), about, sinceMs: nowMs, turnsEnded };
}

/** The next key takes it away in any case. */
export function isOver({ about, sinceMs, turnsEnded }: PassingNote, now: Surroundings): boolean {
  const ageMs = now.nowMs - sinceMs;
  switch (about.what) {
    case "reader":
      return false;
    case "moment":
      return ageMs >= readMsMin;
    case "ways out":
      return now.hasEnded || ageMs >= detachMsMax;
    case "turn":
      return now.hasEnded || now.turnsEnded > turnsEnded;
    case "question":
      return ageMs >= readMsMin && (now.hasEnded || !now.isOpen(about.requestId));
    default:
      return about satisfies never;
  }
}
