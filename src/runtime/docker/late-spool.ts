/** What a sidecar had not told comes back after its session's log was closed: nobody reads it in any more, so it is told. */
import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";

/** `dir` holds what the sidecar wrote, of a session that has ended. */
export async function tellLateSpool(dir: string, tell: (message: string) => void): Promise<void> {
  const names = (await readdir(dir).catch(() => [])).filter((name) => name.startsWith("spool-"));
  const paths = names.map((name) => join(dir, name));
  const sizes = await Promise.all(paths.map(async (path) => (await stat(path)).size));
  const left = paths.filter((_, index) => (sizes[index] ?? 0) > 0);
  if (left.length > 0)
    tell(`What a sidecar had not told yet came back after its session's log was closed. It lies in ${left.join(", ")}`);
}
