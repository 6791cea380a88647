import { mkdir, readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { Names } from "../../../src/runtime/docker/names.ts";
import { copiedFolders, draftOf } from "../../../src/runtime/docker/proxy-folders.ts";
import { tempDir } from "../../support/temp-dir.ts";
import { startVolumeEngine } from "../../support/volume-engine.ts";

test("a proxy elsewhere gets what is written and nothing that is only being written", async () => {
  const folder = await tempDir();
  const engine = await startVolumeEngine(folder.path);
  onTestFinished(async () => {
    await engine.stop();
    await folder.remove();
  });
  const names = new Names({ dataDir: "/nowhere/data", mark: "mine", machine: "here" });
  const seen = [{ folder: join(folder.path, "egress"), target: "/etc/squid/policy" }];
  await mkdir(join(folder.path, "egress"));
  for (const name of ["10.1.0.3", "10.1.0.11"]) await writeFile(join(folder.path, "egress", name), "session s\n");
  for (const mark of ["", 7]) await writeFile(draftOf(join(folder.path, "egress", "10.1.0.3"), mark), "session x\n");
  const folders = copiedFolders({ engine: engine.docker, names });
  const Mounts = await folders.mounts(seen);
  const container = await engine.docker.createContainer({ Image: "any", HostConfig: { Mounts } });
  await folders.fill(container, seen);
  const copied = await readdir(engine.folderOf(names.ofProxyVolume("/etc/squid/policy")));
  expect(copied.sort()).toEqual(["10.1.0.11", "10.1.0.3"]);
});
