/** Where in a conversation a person reads: at its end, following what comes, or at a row that stays where it is. Draws no more than is seen. */
import type { Conversation, Entry } from "./conversation.ts";
import { entryRows, entryText } from "./entry-rows.ts";
import type { Line } from "./styled-line.ts";

/** Rows take more room than the text they show. */
const laidOutMax = 500;

interface Place {
  entry: number;
  row: number;
}

export class ReadingPlace {
  readonly #conversation: Conversation;
  #width = 80;
  #height = 24;
  /** The topmost row; undefined at the end. */
  #top: Place | undefined;
  #selected: number | undefined;
  /** What was laid out lately. */
  readonly #rows = new Map<Entry, { version: string; rows: Line[] }>();

  constructor(conversation: Conversation) {
    this.#conversation = conversation;
  }

  get isAtEnd(): boolean {
    return this.#top === undefined;
  }
  get selected(): Entry | undefined {
    return this.#selected === undefined ? undefined : this.#conversation.at(this.#selected);
  }

  resize({ width, height }: { width: number; height: number }): void {
    this.#width = width;
    this.#height = height;
  }

  /** The rows that are seen; fewer than the height when there is not more. */
  rows(): Line[] {
    const place = this.#top === undefined ? this.#lastPlace() : this.#kept(this.#top);
    if (this.#top) this.#top = place;
    const rows: Line[] = [];
    for (let at = place.entry; at < this.#conversation.end && rows.length < this.#height; at++)
      rows.push(...this.#rowsOf(at).slice(at === place.entry ? place.row : 0));
    if (rows.length < this.#height && this.#top) {
      this.#top = undefined;
      return this.rows();
    }
    return rows.slice(0, this.#height);
  }

  /** Down when positive. */
  scroll(count: number): void {
    const from = this.#top === undefined ? this.#lastPlace() : this.#kept(this.#top);
    this.#top = count < 0 ? this.#up(from, -count) : this.#down(from, count);
  }

  page(direction: 1 | -1): void {
    this.scroll(direction * Math.max(1, this.#height - 2));
  }

  /** Whether an entry begins above the topmost row; so does one that nobody has seen. */
  isAbove(entry: number | undefined): boolean {
    if (entry === undefined) return true;
    return isBefore({ entry, row: 0 }, this.#top === undefined ? this.#lastPlace() : this.#kept(this.#top));
  }

  toEnd(): void {
    this.#top = undefined;
  }

  toStart(): void {
    this.#top = { entry: this.#conversation.first, row: 0 };
  }

  /** The next tool before or behind the one that is selected; from none on it is the last. */
  select(direction: 1 | -1): void {
    const { first, end } = this.#conversation;
    for (let at = (this.#selected ?? end) + direction; at >= first && at < end; at += direction) {
      if (this.#conversation.at(at)?.kind !== "tool") continue;
      this.#selected = at;
      return this.#reveal({ entry: at, row: 0 });
    }
  }

  unselect(): void {
    this.#selected = undefined;
  }

  /** Opens what is selected, or folds it. */
  toggle(): void {
    const entry = this.selected;
    if (entry?.kind !== "tool") return;
    entry.isOpen = !entry.isOpen;
    if (this.#selected !== undefined) this.#reveal({ entry: this.#selected, row: 0 });
  }

  /** All of them are opened if any is folded. */
  toggleAll(): void {
    const { first, end } = this.#conversation;
    const tools: Extract<Entry, { kind: "tool" }>[] = [];
    for (let at = first; at < end; at++) {
      const entry = this.#conversation.at(at);
      if (entry?.kind === "tool") tools.push(entry);
    }
    const isOpen = tools.some((tool) => !tool.isOpen);
    for (const tool of tools) tool.isOpen = isOpen;
  }

  /** Goes to the next row with these words before (-1) or behind (1) the topmost; opens what is folded over them. False when there is none. */
  find(words: string, direction: 1 | -1): boolean {
    const wanted = words.toLowerCase();
    const { first, end } = this.#conversation;
    const from = this.#found ?? (this.#top === undefined ? { entry: end, row: 0 } : this.#kept(this.#top));
    for (let at = from.entry; at >= first && at <= end; at += direction) {
      const entry = this.#conversation.at(at);
      if (!entry || !entryText(entry).toLowerCase().includes(wanted)) continue;
      const isWithin = (row: number) => at !== from.entry || (direction === 1 ? row > from.row : row < from.row);
      const row = this.#rowWith(at, wanted, { direction, isWithin });
      if (row === undefined) continue;
      this.#found = { entry: at, row };
      this.#reveal(this.#found);
      return true;
    }
    return false;
  }
  #found: Place | undefined;

  endSearch(): void {
    this.#found = undefined;
  }

  #rowWith(
    at: number,
    wanted: string,
    { direction, isWithin }: { direction: 1 | -1; isWithin: (row: number) => boolean },
  ): number | undefined {
    const find = () => {
      const numbered = this.#rowsOf(at).map((line, row) => ({ row, text: line.map(({ text }) => text).join("") }));
      const found = numbered.filter(({ row, text }) => isWithin(row) && text.toLowerCase().includes(wanted));
      return (direction === 1 ? found[0] : found.at(-1))?.row;
    };
    const row = find();
    const entry = this.#conversation.at(at);
    if (row !== undefined || entry?.kind !== "tool" || entry.isOpen) return row;
    entry.isOpen = true;
    return find();
  }

  #reveal(place: Place): void {
    const top = this.#top === undefined ? this.#lastPlace() : this.#kept(this.#top);
    const bottom = this.#down(top, this.#height - 1);
    if (isBefore(place, top) || isBefore(bottom, place)) this.#top = this.#up(place, Math.floor(this.#height / 3));
  }

  #up({ entry, row }: Place, count: number): Place {
    let at = entry;
    let left = row - count;
    while (left < 0 && at > this.#conversation.first) left += this.#rowsOf(--at).length;
    return { entry: at, row: Math.max(0, left) };
  }

  #down({ entry, row }: Place, count: number): Place {
    let at = entry;
    let left = row + count;
    while (at < this.#conversation.end - 1 && left >= this.#rowsOf(at).length) left -= this.#rowsOf(at++).length;
    return { entry: at, row: Math.min(left, Math.max(0, this.#rowsOf(at).length - 1)) };
  }

  /** The topmost row when the last one is at the bottom. */
  #lastPlace(): Place {
    const last = Math.max(this.#conversation.first, this.#conversation.end - 1);
    return this.#up({ entry: last, row: this.#rowsOf(last).length }, this.#height);
  }

  /** The same place after entries were let go of, or became shorter. */
  #kept({ entry, row }: Place): Place {
    if (entry < this.#conversation.first) return { entry: this.#conversation.first, row: 0 };
    return { entry, row: Math.min(row, Math.max(0, this.#rowsOf(entry).length - 1)) };
  }

  #rowsOf(at: number): Line[] {
    const entry = this.#conversation.at(at);
    if (!entry) return [];
    const look = { width: this.#width, isSelected: at === this.#selected };
    const isOpen = entry.kind === "tool" && entry.isOpen;
    const version = `${entry.version} ${look.width} ${look.isSelected} ${isOpen}`;
    const known = this.#rows.get(entry);
    if (known?.version === version) return known.rows;
    const rows = entryRows(entry, look);
    if (this.#rows.size >= laidOutMax) this.#rows.clear();
    this.#rows.set(entry, { version, rows });
    return rows;
  }
}

function isBefore(one: Place, other: Place): boolean {
  return one.entry < other.entry || (one.entry === other.entry && one.row < other.row);
}
