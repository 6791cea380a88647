/** Programs that a machine may have. */
import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";

/** The first of these names that there is, with its folder. */
export function inPath(names: readonly string[]): string | undefined {
  // Debian keeps servers where a user's PATH does not lead.
  const folders = [...(process.env["PATH"] ?? "").split(delimiter), "/usr/sbin"];
  return names
    .flatMap((name) => folders.map((folder) => join(folder, name)))
    .find((path) => {
      try {
        accessSync(path, constants.X_OK);
        return true;
      } catch {
        return false;
      }
    });
}
