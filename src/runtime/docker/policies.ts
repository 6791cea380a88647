/** The policies of sessions as files, one an address, in a folder that the proxy reads at each request. */
import { chmod, mkdir, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { EgressPolicy } from "../../protocol/egress.ts";
import { AgentdError, isDiskFull, messageOf } from "../../protocol/error.ts";
import { InTurn } from "./in-turn.ts";
import { draftOf, type FileForProxy } from "./proxy-folders.ts";

export interface PolicyOf {
  address: string;
  sessionId: string;
  policy: EgressPolicy;
}

/** Policies that lie ready and do not hold yet. One of the two is to be called. */
export interface StagedPolicies {
  /**
   * All hold from the next request on; resolves with the sessions whose policy is another one now. Rejects with all as it was, as far
   * as that could be brought about: what could not be is said, and `settle` brings it about.
   */
  commit(): Promise<string[]>;
  drop(): Promise<void>;
}

/** What is read by an address; drafts have names that are none. */
const isAddress = (name: string) => /^[0-9a-fA-F.:]+$/.test(name);

export class Policies {
  readonly folder: string;
  /** Told of files that were written, and of those that are gone, with an empty text. */
  readonly #deliver: (files: readonly FileForProxy[]) => Promise<void>;
  /** Two that write at once would each take the other's text for the one before. */
  readonly #writing = new InTurn();
  #drafts = 0;
  /** What is to hold where that is not for certain, by its address; undefined where there is to be none. */
  readonly #unsettled = new Map<string, string | undefined>();

  constructor(folder: string, deliver: (files: readonly FileForProxy[]) => Promise<void>) {
    this.folder = folder;
    this.#deliver = deliver;
  }

  /** The folder above is for the daemon alone; what is in this one the proxy's user reads through its mount. */
  async open(): Promise<void> {
    await mkdir(this.folder, { recursive: true });
    await chmod(this.folder, 0o755);
  }

  /** Holds from the next request on. */
  async write(address: string, sessionId: string, policy: EgressPolicy): Promise<void> {
    await (await this.stage([{ address, sessionId, policy }])).commit();
  }

  async stage(wanted: readonly PolicyOf[]): Promise<StagedPolicies> {
    await this.open();
    const mark = this.#drafts++;
    const drafts = wanted.map(({ address, sessionId, policy }) => ({
      name: address,
      sessionId,
      text: textOf(sessionId, policy),
      path: draftOf(join(this.folder, address), mark),
    }));
    const drop = async () => {
      for (const { path } of drafts) await rm(path, { force: true });
    };
    try {
      for (const { path, text } of drafts) {
        await writeFile(path, text, { mode: 0o644 });
        await chmod(path, 0o644);
      }
    } catch (error) {
      await drop();
      throw this.#fault(error);
    }
    return { commit: () => this.#writing.run(() => this.#commit(drafts)).finally(drop), drop };
  }

  async #commit(drafts: readonly (FileForProxy & { sessionId: string; path: string })[]): Promise<string[]> {
    const before = new Map<string, string | undefined>();
    const isNew = (file: FileForProxy) => before.get(file.name) !== file.text;
    for (const { name } of drafts)
      before.set(name, this.#unsettled.has(name) ? this.#unsettled.get(name) : await this.#textAt(name));
    const told = drafts.filter((file) => isNew(file) || this.#unsettled.has(file.name));
    const done: typeof told = [];
    try {
      for (const draft of told) {
        await rename(draft.path, join(this.folder, draft.name));
        done.push(draft);
      }
      if (told.length > 0) await this.#deliver(told);
    } catch (error) {
      for (const { name } of done) this.#unsettled.set(name, before.get(name));
      // The proxy has some of the new ones, or none, or there is no way to it.
      const fault = await this.#settle(done.map(({ name }) => name)).then(
        () => undefined,
        (found: unknown) => found,
      );
      throw this.#fault(error, fault);
    }
    for (const { name } of told) this.#unsettled.delete(name);
    return told.filter(isNew).map(({ sessionId }) => sessionId);
  }

  /** What a commit that failed could not take back is taken back; nothing when there is nothing. */
  async settle(): Promise<void> {
    await this.#writing.run(() => this.#settle([...this.#unsettled.keys()]));
  }

  /** Each as far as it goes: one that cannot be put back keeps none behind it. */
  async #settle(names: readonly string[]): Promise<void> {
    if (names.length === 0) return;
    const faults: string[] = [];
    const back: FileForProxy[] = [];
    for (const name of names) {
      const text = this.#unsettled.get(name);
      try {
        await this.#putBack(name, text);
        back.push({ name, text: text ?? "" });
      } catch (error) {
        faults.push(`"${join(this.folder, name)}" has the new list (${messageOf(error)})`);
      }
    }
    try {
      if (back.length > 0) await this.#deliver(back);
      for (const { name } of back) this.#unsettled.delete(name);
    } catch (error) {
      faults.push(`the proxy may have new lists (${messageOf(error)})`);
    }
    if (faults.length > 0) throw new Error(`Cannot take back what sessions may reach: ${faults.join("; ")}`);
  }

  async remove(address: string): Promise<void> {
    await this.#writing.run(async () => {
      this.#unsettled.delete(address);
      await rm(join(this.folder, address), { force: true });
      await this.#deliver([{ name: address, text: "" }]);
    });
  }

  /** Address → session. */
  async owners(): Promise<Map<string, string>> {
    const names = await readdir(this.folder).catch(() => []);
    const owners = new Map<string, string>();
    for (const address of names.filter(isAddress)) {
      const owner = /^session (.+)$/m.exec((await this.#textAt(address)) ?? "")?.[1];
      if (owner !== undefined) owners.set(address, owner);
    }
    return owners;
  }

  #fault(error: unknown, notBack?: unknown): AgentdError {
    if (error instanceof AgentdError && notBack === undefined) return error;
    const state =
      notBack === undefined ? "All is as it was" : `${messageOf(notBack)}. That is tried again every few seconds`;
    return new AgentdError(
      isDiskFull(error) ? "disk_full" : "internal",
      `Cannot write what sessions may reach: ${messageOf(error)}. ${state}. See that files in "${this.folder}" can be replaced and that its disk has room, then try again`,
      { cause: error },
    );
  }

  #textAt(address: string): Promise<string | undefined> {
    return readFile(join(this.folder, address), "utf8").catch(() => undefined);
  }

  async #putBack(address: string, text: string | undefined): Promise<void> {
    const path = join(this.folder, address);
    if (text === undefined) return await rm(path, { force: true });
    await writeFile(draftOf(path), text, { mode: 0o644 });
    await chmod(draftOf(path), 0o644);
    await rename(draftOf(path), path);
  }
}

function textOf(sessionId: string, { mode, allow }: EgressPolicy): string {
  return `${[`session ${sessionId}`, `mode ${mode}`, ...allow.map((name) => `allow ${name}`)].join("\n")}\n`;
}
