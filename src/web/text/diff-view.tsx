/** Changes of files, coloured and signed: the sign says it to those who see no colour. */
import { useSignal } from "@preact/signals";
import { visible } from "../../client/visible.ts";
import type { Edit } from "./edits.ts";

/** So many at first: of a longer one all are a press away. */
const linesMax = 2000;
const classes = { "+": "added", "-": "removed", " ": "same", "…": "left-out" } as const;

export function DiffView({ edits }: { edits: readonly Edit[] }) {
  return (
    <>
      {edits.map((edit, at) => (
        <FileDiff key={at} edit={edit} />
      ))}
    </>
  );
}

function FileDiff({ edit: { path, fate, lines } }: { edit: Edit }) {
  const isWhole = useSignal(lines.length <= linesMax);
  return (
    <figure class="diff">
      <figcaption>
        {visible(path)}
        {fate !== undefined && <strong> {visible(fate)}</strong>}
      </figcaption>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reached by the keyboard */}
      <pre tabIndex={0}>
        {(isWhole.value ? lines : lines.slice(0, linesMax)).map(({ sign, text }, index) => (
          <span class={classes[sign]} key={index}>{`${sign} ${visible(text)}`}</span>
        ))}
        {lines.length === 0 && <span class="left-out">(nothing)</span>}
      </pre>
      {!isWhole.value && (
        <button type="button" class="link" onClick={() => (isWhole.value = true)}>
          Show {lines.length - linesMax} more lines
        </button>
      )}
    </figure>
  );
}
