/** How much a folder that is being filled holds by now. */
import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";

export async function folderBytes(folder: string): Promise<number> {
  // Files come and go while we look: those that went count nothing.
  const entries = await readdir(folder, { withFileTypes: true }).catch(() => []);
  const sizes = await Promise.all(
    entries.map(async (entry) => {
      const path = join(folder, entry.name);
      if (entry.isDirectory()) return folderBytes(path);
      return stat(path).then(
        ({ size }) => size,
        () => 0,
      );
    }),
  );
  return sizes.reduce((sum, size) => sum + size, 0);
}
