/** Changes of files, coloured and signed: the sign says it to those who see no colour. */

import { visible } from "../../client/visible.ts";
import type { Edit } from "./edits.ts";

const linesMax = 2000;
const classes = { "+": "added", "-": "removed", " ": "same", "…": "left-out" } as const;

export function DiffView({ edits }: { edits: readonly Edit[] }) {
  return (
    <>
      {edits.map(({ path, lines }, at) => (
        <figure class="diff" key={at}>
          <figcaption>{visible(path)}</figcaption>
          {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reached by the keyboard */}
          <pre tabIndex={0}>
            {lines.slice(0, linesMax).map(({ sign, text }, index) => (
              <span class={classes[sign]} key={index}>{`${sign} ${visible(text)}`}</span>
            ))}
            {lines.length > linesMax && <span class="left-out">… {lines.length - linesMax} more lines</span>}
          </pre>
        </figure>
      ))}
    </>
  );
}
