/** What a session in a container keeps outside of its home lies, for the agent, where it looks for it: by links. */
import { mkdirSync, rmSync, symlinkSync } from "node:fs";
import { dirname } from "node:path";
import type { Bootstrap } from "../src/protocol/bootstrap.ts";

export function makeLinks({ login_file, memory_dir }: Bootstrap): void {
  for (const place of [login_file, memory_dir]) {
    if (!place) continue;
    mkdirSync(dirname(place.link), { recursive: true, mode: 0o700 });
    rmSync(place.link, { force: true, recursive: true });
    symlinkSync(place.path, place.link);
  }
}
