// Loaded before the daemon and before the sidecar: their wall clock is the machine's plus what a file says, so that it
// can jump while they run. The monotonic clock and timers stay true, as they do when an operator or NTP sets a clock.
import { readFileSync, statSync } from "node:fs";

const file = globalThis.clockOffsetFile;
const RealDate = globalThis.Date;
let offsetMs = 0;
let seen = 0;

function look() {
  try {
    const { mtimeMs } = statSync(file);
    if (mtimeMs === seen) return;
    seen = mtimeMs;
    offsetMs = Number(readFileSync(file, "utf8"));
  } catch {
    // No file, no offset.
  }
}

look();
setInterval(look, 20).unref();

globalThis.Date = class JumpingDate extends RealDate {
  constructor(...given) {
    if (given.length === 0) super(RealDate.now() + offsetMs);
    else super(...given);
  }
  static now() {
    return RealDate.now() + offsetMs;
  }
};
