/** Whether the log that was shown came to its end: a torn one stops without its `exit`, and looks like one that goes on. */
const exitStart = '{"type":"exit"';

export class ShownEnd {
  #hasLines = false;
  #hasExit = false;

  note(lines: readonly string[]): void {
    this.#hasLines ||= lines.length > 0;
    this.#hasExit ||= lines.some((line) => line.startsWith(exitStart));
  }

  /** Said of a session that has ended. Whoever was shown nothing, because all of it was known already, has seen the end. */
  get isMissing(): boolean {
    return this.#hasLines && !this.#hasExit;
  }
}

export function brokenOff(exitCode: number | undefined): string {
  return `The log breaks off before its end. The session has ended${exitCode === undefined ? "" : `, with code ${exitCode}`}`;
}
