/** What is mounted where, as this process sees it (proc(5), `/proc/PID/mountinfo`). */
import { readFile } from "node:fs/promises";
import { errnoOf } from "../../protocol/error.ts";

export interface Mount {
  /** All that is told of it. */
  line: string;
  /** What of its file system is there: `/` for the whole. */
  root: string;
  point: string;
  type: string;
}

/** In the order in which they were mounted; none where the system does not tell. */
export async function readMounts(): Promise<Mount[]> {
  try {
    return parseMounts(await readFile("/proc/self/mountinfo", "utf8"));
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return [];
    throw error;
  }
}

/** Pure. Each line: ids, device, root, mount point, options, ` - `, type and more. */
export function parseMounts(text: string): Mount[] {
  return text.split("\n").flatMap((line) => {
    const [before = "", after = ""] = line.split(" - ");
    const [, , , root, point] = before.split(" ");
    const [type] = after.split(" ");
    return root && point && type ? [{ line, root: unescaped(root), point: unescaped(point), type }] : [];
  });
}

export function isWithin(path: string, folder: string): boolean {
  return path === folder || folder === "/" || path.startsWith(`${folder}/`);
}

/** Blanks, tabs, ends of lines and backslashes are written in octal. */
function unescaped(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 8)));
}
