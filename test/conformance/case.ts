/** A row of the table: one thing that may be asked of an agent or happen to it, and what comes of it. */
import type { CapabilityName } from "../../src/protocol/capabilities.ts";
import type { Bench } from "./bench.ts";

export interface Case {
  /** The row's first cell. */
  name: string;
  /** What `GET /agents` says of this decides the cell; with `none` the refusal is what is tried. */
  capability?: CapabilityName;
  /** A request that is refused when the capability is `none`. */
  refused?: Readonly<Record<string, unknown>>;
  /** Tries it. What it returns is put behind the cell's word, or is the cell when there is no capability. */
  run(bench: Bench): Promise<void> | Promise<string | undefined>;
}
