import { symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { readSpool, spoolFileName } from "../../../src/process/spool-reader.ts";
import { tempDir } from "../../support/temp-dir.ts";

const line = '{"type":"stdout","data":{"text":"x"},"timestamp":1,"sidecar_seq":1}\n';

async function spoolOf(make: (path: string, elsewhere: string) => Promise<void>): Promise<string> {
  const folder = await tempDir();
  onTestFinished(() => folder.remove());
  const elsewhere = join(folder.path, "elsewhere.ndjson");
  await writeFile(elsewhere, line);
  await make(join(folder.path, spoolFileName(1)), elsewhere);
  let text = "";
  for await (const batch of readSpool(folder.path, 0)) text += String(batch);
  return text;
}

test("a spool file is read, and one that is a link to a file like it is not", async () => {
  expect(await spoolOf((path) => writeFile(path, line))).toBe(line);
  expect(await spoolOf((path, elsewhere) => symlink(elsewhere, path))).toBe("");
});
