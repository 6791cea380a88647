/** The head of a Markdown file between two lines of `---`: the small part of YAML that agent definitions use. Pure. */

export interface FrontMatter {
  fields: Record<string, string | string[]>;
  body: string;
}

const fence = /^---\r?\n([\s\S]*?)\r?\n---[ \t]*(?:\r?\n|$)/;

/** Top-level keys with a text, a quoted text, a block of lines, or a list. Nested maps are passed over. */
export function readFrontMatter(text: string): FrontMatter {
  const head = fence.exec(text);
  if (!head) return { fields: {}, body: text };
  const lines = (head[1] ?? "").split(/\r?\n/);
  const fields: FrontMatter["fields"] = {};
  for (let at = 0; at < lines.length; at++) {
    const [, key, rest] = /^([A-Za-z][\w-]*):[ \t]*(.*)$/.exec(lines[at] ?? "") ?? [];
    if (key === undefined || rest === undefined) continue;
    const below: string[] = [];
    while (/^(?:[ \t]|$)|^- /.test(lines[at + 1] ?? "x")) below.push(lines[++at] ?? "");
    const value = fieldValue(rest.trim(), below);
    if (value !== undefined) fields[key] = value;
  }
  return { fields, body: text.slice(head[0].length) };
}

function fieldValue(inline: string, below: readonly string[]): string | string[] | undefined {
  if (/^[|>][+-]?$/.test(inline)) {
    const lines = below.map((line) => line.trim());
    return lines.join(inline.startsWith("|") ? "\n" : " ").trim();
  }
  if (inline === "") {
    const items = below.flatMap((line) => /^\s*- (.*)$/.exec(line)?.[1] ?? []);
    const isList = items.length > 0 && below.every((line) => line.trim() === "" || /^\s*- [^:]*$/.test(line));
    return isList ? items.map(unquoted) : undefined;
  }
  const list = /^\[(.*)\]$/.exec(inline)?.[1];
  if (list !== undefined)
    return list
      .split(",")
      .map(unquoted)
      .filter((item) => item !== "");
  return unquoted([inline, ...below.map((line) => line.trim())].join(" "));
}

function unquoted(text: string): string {
  const trimmed = text.trim();
  const quoted = /^"(.*)"$/s.exec(trimmed)?.[1];
  if (quoted !== undefined)
    return quoted.replace(/\\(["\\n])/g, (_, escaped: string) => (escaped === "n" ? "\n" : escaped));
  return /^'(.*)'$/s.exec(trimmed)?.[1]?.replaceAll("''", "'") ?? trimmed;
}
