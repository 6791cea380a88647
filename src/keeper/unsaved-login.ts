/** Whether somebody has logged in while a renewed login waits for its file. Pure. */
import { type LoginForm, tokensIn } from "./login-file.ts";

export interface Unsaved {
  /** What the file held. */
  was: string;
  /** What it is to hold. */
  text: string;
}

/** What is half written, by us or by whoever logs in at this moment, is none: there would be nothing to log in with. */
export function isLoginAnew(form: LoginForm, unsaved: Unsaved, inFile: string): boolean {
  if (isOurs(unsaved, inFile)) return false;
  try {
    tokensIn(form, inFile);
    return true;
  } catch {
    return false;
  }
}

/** The old text, or the new one written over it up to some place. */
function isOurs({ was, text }: Unsaved, inFile: string): boolean {
  const over = text.padEnd(was.length);
  let same = 0;
  while (same < over.length && over[same] === inFile[same]) same += 1;
  return inFile.slice(same).trimEnd() === was.slice(same).trimEnd();
}
