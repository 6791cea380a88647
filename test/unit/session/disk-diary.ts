/** What is asked of the disk under the files that are written by handles, in order, told by its first word. */
import { open } from "node:fs/promises";

export interface DiskDiary {
  /** `write` when bytes are given to a file, `synced` when its bytes have been forced to disk; others may write here too. */
  readonly entries: string[];
  /** Node's own functions are in their places again. */
  remove(): void;
}

type Act = (this: unknown, ...args: unknown[]) => Promise<unknown>;

export async function keepDiskDiary(): Promise<DiskDiary> {
  const entries: string[] = [];
  const handle = await open("/dev/null", "r");
  const prototype: { write: Act; datasync: Act } = Object.getPrototypeOf(handle);
  await handle.close();
  const { write, datasync } = prototype;
  prototype.write = function (...args) {
    entries.push("write");
    return write.apply(this, args);
  };
  prototype.datasync = async function () {
    await datasync.call(this);
    // Whoever does not wait for the disk has its say in these turns of the loop, and so too early.
    for (let turn = 0; turn < 5; turn++) await new Promise(setImmediate);
    entries.push("synced");
  };
  return {
    entries,
    remove: () => {
      Object.assign(prototype, { write, datasync });
    },
  };
}
