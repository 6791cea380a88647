/** What changed between two texts, line by line. Pure. */

export interface DiffLine {
  sign: " " | "+" | "-" | "…";
  text: string;
}

/** Beyond so many pairs of lines that would be compared, what is between the equal ends counts as replaced. */
const pairsMax = 4_000_000;
const contextLines = 3;

export function diffLines(before: string, after: string): DiffLine[] {
  const [a, b] = [linesOf(before), linesOf(after)];
  let head = 0;
  while (head < a.length && head < b.length && a[head] === b[head]) head++;
  let tail = 0;
  while (tail < a.length - head && tail < b.length - head && a.at(-1 - tail) === b.at(-1 - tail)) tail++;
  const middle = changes(a.slice(head, a.length - tail), b.slice(head, b.length - tail));
  const same = (lines: readonly string[]) => lines.map((text): DiffLine => ({ sign: " ", text }));
  return withoutLongRuns([...same(a.slice(0, head)), ...middle, ...same(a.slice(a.length - tail))]);
}

/** A unified diff as programs print it, or the lines of a file that is new. */
export function unifiedLines(text: string, isWhole: boolean): DiffLine[] {
  return linesOf(text).map((line) => {
    if (isWhole) return { sign: "+", text: line };
    const sign = line[0];
    if (sign === "+" || sign === "-" || sign === " ") return { sign, text: line.slice(1) };
    return { sign: "…", text: line };
  });
}

/** By the longest common subsequence, from its table of lengths. */
function changes(a: readonly string[], b: readonly string[]): DiffLine[] {
  if (a.length * b.length > pairsMax)
    return [...a.map((text): DiffLine => ({ sign: "-", text })), ...b.map((text): DiffLine => ({ sign: "+", text }))];
  const width = b.length + 1;
  const lengths = new Uint32Array((a.length + 1) * width);
  const at = (i: number, j: number) => lengths[i * width + j] ?? 0;
  for (let i = a.length - 1; i >= 0; i--)
    for (let j = b.length - 1; j >= 0; j--)
      lengths[i * width + j] = a[i] === b[j] ? at(i + 1, j + 1) + 1 : Math.max(at(i + 1, j), at(i, j + 1));
  const lines: DiffLine[] = [];
  for (let i = 0, j = 0; i < a.length || j < b.length; ) {
    if (i < a.length && j < b.length && a[i] === b[j]) {
      lines.push({ sign: " ", text: a[i++] ?? "" });
      j++;
    } else if (i < a.length && (j === b.length || at(i + 1, j) >= at(i, j + 1)))
      lines.push({ sign: "-", text: a[i++] ?? "" });
    else lines.push({ sign: "+", text: b[j++] ?? "" });
  }
  return lines;
}

/** Of what stayed the same, only what is near a change. */
function withoutLongRuns(lines: readonly DiffLine[]): DiffLine[] {
  const isNear = lines.map(() => false);
  for (const [index, { sign }] of lines.entries()) {
    if (sign === " ") continue;
    const to = Math.min(lines.length - 1, index + contextLines);
    for (let near = Math.max(0, index - contextLines); near <= to; near++) isNear[near] = true;
  }
  const shown: DiffLine[] = [];
  for (let index = 0; index < lines.length; ) {
    const line = lines[index];
    if (line && isNear[index]) {
      shown.push(line);
      index++;
      continue;
    }
    const from = index;
    while (index < lines.length && !isNear[index]) index++;
    shown.push({ sign: "…", text: `${index - from} lines` });
  }
  return shown;
}

/** Without the empty one behind a last newline. */
function linesOf(text: string): string[] {
  if (text === "") return [];
  const lines = text.split("\n");
  if (lines.at(-1) === "") lines.pop();
  return lines;
}
