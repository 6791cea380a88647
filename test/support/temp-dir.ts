/** Folders that a test makes, all named so that one left behind is noticed. */
import { mkdtemp, realpath, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { folders } from "./started.ts";

export const tempDirPrefix = "agentd-test-";

export interface TempDir {
  readonly path: string;
  remove(): Promise<void>;
}

export async function tempDir(): Promise<TempDir> {
  const path = await realpath(await mkdtemp(join(tmpdir(), tempDirPrefix)));
  const remove = async () => {
    folders.delete(remove);
    await rm(path, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
  };
  folders.add(remove);
  return { path, remove };
}
