import { execFileSync } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { fileIn } from "../../../src/runtime/docker/authorities.ts";
import { tempDir } from "../../support/temp-dir.ts";

test.each(["ustar", "pax", "gnu"])(
  "the file in an archive (%s) is found behind whatever describes it",
  async (format) => {
    const folder = await tempDir();
    onTestFinished(() => folder.remove());
    // So long that the older format has no place for it.
    const name = `${"a".repeat(60)}.crt`;
    await writeFile(join(folder.path, name), "certificates\n");
    const tar = (file: string) => execFileSync("tar", ["-C", folder.path, `--format=${format}`, "-cf", "-", file]);
    expect(fileIn(tar(name))?.toString()).toBe("certificates\n");
    execFileSync("ln", ["-s", name, join(folder.path, "link")]);
    expect(fileIn(tar("link"))).toBeUndefined();
    expect(fileIn(Buffer.alloc(0))).toBeUndefined();
  },
);
