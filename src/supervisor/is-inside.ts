/** Whether a path is a folder, or lies in it. Pure. */
import { isAbsolute, relative, sep } from "node:path";

/** Case is folded: on a file system that ignores it, another spelling is the same place. */
export function isInside(path: string, folder: string): boolean {
  const way = relative(folder.toLowerCase(), path.toLowerCase());
  return way === "" || (!way.startsWith(`..${sep}`) && way !== ".." && !isAbsolute(way));
}
