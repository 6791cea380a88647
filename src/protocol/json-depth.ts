/** How deep JSON from outside may be nested: what walks it is recursive, here and in the libraries. */

export const jsonDepthMax = 100;

/** Looks at the text, before anything is made of it. */
export function isTooDeep(json: string): boolean {
  let depth = 0;
  for (let at = 0; at < json.length; at++) {
    const character = json.charCodeAt(at);
    if (character === quote) at = stringEnd(json, at);
    else if (character === brace || character === bracket) {
      depth += 1;
      if (depth > jsonDepthMax) return true;
    } else if (character === brace + 2 || character === bracket + 2) depth -= 1;
  }
  return false;
}

const quote = 0x22;
const backslash = 0x5c;
const brace = 0x7b;
const bracket = 0x5b;

/** Where the string that begins there ends. */
function stringEnd(json: string, start: number): number {
  for (let at = json.indexOf('"', start + 1); at !== -1; at = json.indexOf('"', at + 1)) {
    let escapes = 0;
    while (json.charCodeAt(at - 1 - escapes) === backslash) escapes += 1;
    if (escapes % 2 === 0) return at;
  }
  return json.length;
}
