import { chmod, chown } from "node:fs/promises";
import { describe, expect, test } from "vitest";
import { ownerOf } from "../../../src/runtime/docker/owner.ts";
import { tempDir } from "../../support/temp-dir.ts";

const root = { uid: 0, gid: 0 };
const configured = { uid: 1000, gid: 1000 };
const isRoot = process.getuid?.() === 0;

test("without a work dir a daemon of root takes the configured user, any other daemon itself", async () => {
  expect(await ownerOf({ workDir: undefined, configured, daemon: root })).toEqual(configured);
  const person = { uid: 501, gid: 20 };
  expect(await ownerOf({ workDir: undefined, configured, daemon: person })).toEqual(person);
});

describe.runIf(isRoot)("with a work dir", () => {
  const withFolder = async (owner: number, mode: number, act: (path: string) => Promise<void>) => {
    const folder = await tempDir();
    try {
      await chown(folder.path, owner, owner);
      await chmod(folder.path, mode);
      await act(folder.path);
    } finally {
      await folder.remove();
    }
  };

  test("the container runs as its owner", () =>
    withFolder(1234, 0o700, async (workDir) => {
      expect(await ownerOf({ workDir, configured, daemon: root })).toEqual({ uid: 1234, gid: 1234 });
    }));

  test("one of root's that the configured user cannot write to is refused with the command to run", () =>
    withFolder(0, 0o755, async (workDir) => {
      await expect(ownerOf({ workDir, configured, daemon: root })).rejects.toThrow(`chown -R 1000:1000 '${workDir}'`);
    }));

  test("one of root's that all may write to is taken as it is", () =>
    withFolder(0, 0o777, async (workDir) => {
      expect(await ownerOf({ workDir, configured, daemon: root })).toEqual(configured);
    }));

  test("somebody else's is refused where the daemon is not root", () =>
    withFolder(1234, 0o777, async (workDir) => {
      await expect(ownerOf({ workDir, configured, daemon: { uid: 501, gid: 20 } })).rejects.toThrow(
        /belongs to user 1234/,
      );
    }));
});
