/** How deep JSON from outside may be nested, and of how many parts: what walks it is recursive, and looks at each, here and in the libraries. */

export const jsonDepthMax = 100;

/** Far more than any request of use has; half a million keep the daemon from everybody else for seconds. */
export const jsonPartsMax = 50_000;

/** Looks at the text, before anything is made of it. */
export function isTooDeep(json: string): boolean {
  return excessOf(json, Number.POSITIVE_INFINITY) !== undefined;
}

/** The same of what people send, which has few parts: in what way there is too much of it, such as `nested more than 100 deep`. */
export function jsonExcess(json: string): string | undefined {
  return excessOf(json, jsonPartsMax);
}

function excessOf(json: string, partsMax: number): string | undefined {
  let depth = 0;
  let parts = 1;
  for (let at = 0; at < json.length; at++) {
    const character = json.charCodeAt(at);
    if (character === quote) at = stringEnd(json, at);
    else if (character === brace || character === bracket) {
      depth += 1;
      if (depth > jsonDepthMax) return `nested more than ${jsonDepthMax} deep`;
    } else if (character === brace + 2 || character === bracket + 2) depth -= 1;
    else if (character === comma) {
      parts += 1;
      if (parts > partsMax) return `of more than ${partsMax} parts`;
    }
  }
  return undefined;
}

const quote = 0x22;
const comma = 0x2c;
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
