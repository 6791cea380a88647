/**
 * A list of which only what is on the screen is in the page, however long it is. Rows are as high as they come out; what is
 * above the screen may turn out higher than was thought without anything moving, and who is at the end stays there.
 */
import type { ComponentChildren } from "preact";
import { useEffect, useLayoutEffect, useReducer, useRef } from "preact/hooks";
import { Heights } from "./heights.ts";

/** Drawn beyond the screen, on each side. */
const beyondPx = 600;
/** Browsers know no element that is higher than 33,554,428 px: beyond this, a pixel of the scroll bar is more than one of the list. */
const spacerPxMax = 16_000_000;
const nearEndPx = 48;

/** Where the list stands; kept by whoever shows it. */
export class ListPlace {
  readonly heights = new Heights();
  top = 0;
  height = 800;
  isAtEnd = true;
  /** Key of the first row: it falls as rows come before all others. */
  firstKey = 0;
  /** Key of the row that is to be shown once the list has it: it may have been read a moment ago, or the list be drawn nowhere. */
  toShow: number | undefined;
  box: HTMLElement | undefined;

  /** List pixels to a pixel of the scroll bar. */
  get scale(): number {
    const { total } = this.heights;
    return total <= spacerPxMax ? 1 : (total - this.height) / (spacerPxMax - this.height);
  }

  get spacerPx(): number {
    return Math.min(this.heights.total, spacerPxMax);
  }

  get listTop(): number {
    return this.top * this.scale;
  }

  /** Rows before all others; what is on the screen stays where it is. */
  prepend(heights: readonly number[]): void {
    const { listTop, isAtEnd } = this;
    const before = this.heights.total;
    this.heights.prepend(heights);
    this.firstKey -= heights.length;
    this.stretch();
    this.scrollTo(listTop + this.heights.total - before);
    this.isAtEnd = isAtEnd;
  }

  /** The browser knows of no scroll position beyond the end of what it has. */
  stretch(): void {
    const spacer = this.box?.firstElementChild;
    if (spacer instanceof HTMLElement) spacer.style.height = `${this.spacerPx}px`;
  }

  scrollTo(listTop: number): void {
    this.#apply(listTop / this.scale);
    this.isAtEnd = this.#isNearEnd();
  }

  /** Drawn there from now on, where it stood before. */
  enter(box: HTMLElement): void {
    this.box = box;
    const { isAtEnd } = this;
    this.scrollTo(this.listTop);
    this.isAtEnd = isAtEnd;
  }

  toEnd(): void {
    this.#apply(this.spacerPx - this.height);
    this.isAtEnd = true;
  }

  /** Moves as little as is needed to have the row on the screen. */
  show(index: number): void {
    const top = this.heights.before(index);
    const bottom = top + this.heights.at(index);
    if (top < this.listTop) this.scrollTo(top);
    else if (bottom > this.listTop + this.height) this.scrollTo(Math.min(top, bottom - this.height));
  }

  /** At the top of the screen, unless all of it is on the screen. */
  bring(index: number): void {
    const top = this.heights.before(index);
    const isSeen = top >= this.listTop && top + this.heights.at(index) <= this.listTop + this.height;
    if (!isSeen) this.scrollTo(top);
  }

  /** What the browser says. */
  read(): void {
    // One that was taken off the page has neither height nor place: its own stay known for when it is back.
    if (!this.box?.isConnected) return;
    const before = this.top;
    this.top = this.box.scrollTop;
    this.height = this.box.clientHeight;
    // Whoever moves up a little, from the end, means to leave it. At the very end is also who was moved there, because the
    // list has become higher.
    const isAtVeryEnd = this.top + this.height >= this.spacerPx - 1;
    this.isAtEnd = isAtVeryEnd || (this.#isNearEnd() && this.top >= before - 1);
  }

  #isNearEnd(): boolean {
    return this.top + this.height >= this.spacerPx - nearEndPx;
  }

  #apply(top: number): void {
    this.top = Math.max(0, Math.min(top, this.spacerPx - this.height));
    if (this.box) this.box.scrollTop = this.top;
  }
}

export interface VirtualListProps {
  place: ListPlace;
  /** Of the first row; a row keeps its key. */
  firstKey: number;
  count: number;
  label: string;
  /** The row that keys act on. */
  cursor: number | undefined;
  /** How high a row may be, before it is drawn. */
  estimate(index: number): number;
  row(index: number): ComponentChildren;
  rowClass(index: number): string;
  onShown(first: number, last: number): void;
}

export function VirtualList(props: VirtualListProps) {
  const { place, count, label, cursor } = props;
  const { heights } = place;
  const [, redraw] = useReducer((drawn: number) => drawn + 1, 0);
  const box = useRef<HTMLElement>(null);
  if (props.firstKey < place.firstKey)
    place.prepend(Array.from({ length: place.firstKey - props.firstKey }, (_, index) => props.estimate(index)));
  while (heights.count < count) heights.push(props.estimate(heights.count));
  const first = heights.indexAt(place.listTop - beyondPx);
  const last = heights.indexAt(place.listTop + place.height + beyondPx);

  useLayoutEffect(() => {
    if (box.current && place.box !== box.current) place.enter(box.current);
    if (measure(place)) redraw(undefined);
    if (count > 0) props.onShown(first, last);
  });
  useEffect(() => {
    if (!box.current) return;
    const watch = new ResizeObserver(() => {
      const wasAtEnd = place.isAtEnd;
      place.read();
      place.isAtEnd = wasAtEnd;
      redraw(undefined);
    });
    watch.observe(box.current);
    return () => watch.disconnect();
  }, []);

  // What stands above the screen in pixels of the scroll bar: rows are placed from there.
  const shift = place.top - place.listTop;
  const rows = [];
  for (let index = first; index <= last && index < count; index++)
    rows.push(
      <article
        key={index + props.firstKey}
        data-index={index}
        class={props.rowClass(index)}
        style={{ top: `${heights.before(index) + shift}px` }}
        aria-posinset={index + 1}
        aria-setsize={count}
        aria-current={index === cursor ? "true" : undefined}
        tabIndex={-1}
      >
        {props.row(index)}
      </article>,
    );
  return (
    <section
      ref={box}
      class="list"
      // Without articles it is none.
      role={count > 0 ? "feed" : undefined}
      aria-label={label}
      // What scrolls must be reached by the keyboard.
      tabIndex={0}
      onScroll={() => {
        place.read();
        redraw(undefined);
      }}
    >
      <div class="spacer" style={{ height: `${place.spacerPx}px` }}>
        {rows}
      </div>
    </section>
  );
}

/** Takes the real heights of what was drawn; tells whether any was another. What is on the screen stays where it is. */
function measure(place: ListPlace): boolean {
  const { box, heights } = place;
  if (!box) return false;
  const anchor = heights.indexAt(place.listTop);
  let hasChanged = false;
  let above = 0;
  for (const row of box.querySelectorAll<HTMLElement>("[data-index]")) {
    const index = Number(row.dataset["index"]);
    const change = heights.set(index, row.getBoundingClientRect().height);
    if (change !== 0) hasChanged = true;
    if (index < anchor) above += change;
  }
  if (hasChanged) place.stretch();
  if (place.isAtEnd) place.toEnd();
  else if (above !== 0) place.scrollTo(place.listTop + above);
  return hasChanged;
}
