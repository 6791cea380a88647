/** A row of the table of attacks in docs/security.md, and how it is tried. */

export interface Attack<Ground> {
  /** What is tried, as the table says it. */
  name: string;
  /** What comes of it: the words that `attempt` answers with. */
  meets: string;
  attempt(ground: Ground): Promise<string>;
  /** It is the daemon's clock that ends it: begun with the group, so that the others are tried while it waits. */
  isWaiting?: true;
  /** The same with the one thing changed that holds it: what shows that it would have worked otherwise. */
  control: Control<Ground>;
}

export interface Control<Ground> {
  name: string;
  meets: string;
  attempt(ground: Ground): Promise<string>;
}

/** Attacks of one attacker, on one ground. */
export interface AttackGroup<Ground> {
  /** The heading of its table. */
  title: string;
  /** Who attacks, and what they have. */
  who: string;
  /** False where this machine lacks what it takes; `npm test` says so in its last words. */
  isPossible?: boolean;
  open(): Promise<Ground>;
  close(ground: Ground): Promise<void>;
  attacks: readonly Attack<Ground>[];
}

/** What of a group the table needs. */
export type AttackRows = Pick<AttackGroup<never>, "title" | "who"> & {
  attacks: readonly (Pick<Attack<never>, "name" | "meets"> & { control: Pick<Control<never>, "name" | "meets"> })[];
};
