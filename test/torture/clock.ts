/**
 * A clock that can be made to jump. The daemon gives its sidecars no environment that a preloaded library could be named
 * in, and the system's clock belongs to everybody: so the two bundles run from a folder in which each is started by way
 * of clock-shim.mjs. The bundles themselves are the ones of `dist`, byte for byte.
 */
import { cpSync, renameSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

/** Between any two moments it says less than a day: so long is the answer to an Idempotency-Key promised to be known. */
const offsetMsMax = 11 * 3_600_000;

export interface Clock {
  /** The daemon's program. */
  readonly agentd: string;
  /** How far the clock is off now. */
  readonly offsetMs: number;
  jump(byMs: number): void;
}

export function makeClock(folder: string, dist: string): Clock {
  const programs = join(folder, "dist");
  const offsetFile = join(folder, "clock-offset");
  cpSync(dist, programs, { recursive: true });
  // What is not in the bundles is beside them.
  symlinkSync(fileURLToPath(new URL("../../node_modules", import.meta.url)), join(folder, "node_modules"));
  cpSync(fileURLToPath(new URL("./clock-shim.mjs", import.meta.url)), join(programs, "clock-shim.mjs"));
  for (const name of ["agentd", "sidecar"]) {
    renameSync(join(programs, `${name}.js`), join(programs, `${name}-itself.js`));
    const start = `globalThis.clockOffsetFile = ${JSON.stringify(offsetFile)};
await import("./clock-shim.mjs");
await import("./${name}-itself.js");
`;
    writeFileSync(join(programs, `${name}.js`), start);
  }
  writeFileSync(join(programs, "package.json"), '{"type":"module"}');
  let offsetMs = 0;
  return {
    agentd: join(programs, "agentd.js"),
    get offsetMs() {
      return offsetMs;
    },
    jump: (byMs) => {
      offsetMs = Math.max(-offsetMsMax, Math.min(offsetMsMax, offsetMs + byMs));
      writeFileSync(`${offsetFile}.new`, String(offsetMs));
      renameSync(`${offsetFile}.new`, offsetFile);
    },
  };
}
