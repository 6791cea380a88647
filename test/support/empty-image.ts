/** An image without a file in it, for a processor of one's choice. */
import { createHash } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Readable } from "node:stream";
import type Docker from "dockerode";
import { execa } from "execa";
import { tempDir } from "./temp-dir.ts";

export async function loadEmptyImage(
  engine: Docker,
  { name, architecture }: { name: string; architecture: string },
): Promise<void> {
  const dir = await tempDir();
  const layer = Buffer.alloc(1024);
  const diff_ids = [`sha256:${createHash("sha256").update(layer).digest("hex")}`];
  await writeFile(join(dir.path, "layer.tar"), layer);
  await writeFile(
    join(dir.path, "config.json"),
    JSON.stringify({ architecture, os: "linux", config: {}, rootfs: { type: "layers", diff_ids } }),
  );
  const manifest = [{ Config: "config.json", RepoTags: [name], Layers: ["layer.tar"] }];
  await writeFile(join(dir.path, "manifest.json"), JSON.stringify(manifest));
  const files = ["manifest.json", "config.json", "layer.tar"];
  const { stdout } = await execa("tar", ["-C", dir.path, "-c", ...files], { encoding: "buffer" });
  await dir.remove();
  const said = await engine.loadImage(Readable.from([Buffer.from(stdout)]));
  await new Promise((resolve) => said.on("end", resolve).resume());
}
