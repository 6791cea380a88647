import { createHash } from "node:crypto";
import { mkdir, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import { Readable } from "node:stream";
import { execa } from "execa";
import { expect, onTestFinished, test } from "vitest";
import * as z from "zod";
import { dockerHost, engine } from "../support/docker-world.ts";
import { runCli } from "../support/start-daemon.ts";
import { tempDir } from "../support/temp-dir.ts";

const Report = z.object({
  findings: z.array(
    z.object({
      about: z.string(),
      check: z.string(),
      status: z.string(),
      found: z.string(),
      advice: z.string().optional(),
    }),
  ),
});

/** What doctor says of Docker. */
async function findings(docker: Record<string, unknown>, ...args: string[]) {
  const dir = await tempDir();
  onTestFinished(dir.remove);
  const dataDir = join(dir.path, "data");
  await mkdir(dataDir, { mode: 0o700 });
  const config = {
    runtime: "docker",
    agents: { sh: { command: "sh", harness: "generic" } },
    docker: { host: dockerHost, ...docker },
  };
  await writeFile(join(dataDir, "config.json"), JSON.stringify(config));
  const { stdout } = await runCli(["doctor", "sh", "--json", "--data-dir", dataDir, "--port", "0", ...args], {
    HOME: dir.path,
    PATH: "/usr/bin:/bin",
  });
  return Report.parse(JSON.parse(stdout)).findings.filter(({ about }) => about === "docker");
}

const wrong = async (docker: Record<string, unknown>) =>
  (await findings(docker)).filter(({ status }) => status === "wrong");

/** An image without a file in it, for that processor. */
async function loadEmptyImage(name: string, architecture: string): Promise<void> {
  const dir = await tempDir();
  onTestFinished(dir.remove);
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
  const said = await engine.loadImage(Readable.from([Buffer.from(stdout)]));
  await new Promise((resolve) => said.on("end", resolve).resume());
}

test("doctor finds the engine and both images in order", async () => {
  const found = await findings({});
  expect(found.map(({ check, status }) => `${check} ${status}`).slice(0, 3)).toEqual([
    "engine ok",
    "image ok",
    "image ok",
  ]);
});

test("an engine that is not there, one that does not answer: each is told with what to do", async () => {
  expect(await wrong({ host: "unix:///nowhere/docker.sock" })).toMatchObject([
    {
      check: "engine",
      found: expect.stringContaining("no such socket"),
      advice: expect.stringContaining("Install Docker"),
    },
  ]);
  const dir = await tempDir();
  onTestFinished(dir.remove);
  const path = join(dir.path, "s");
  const server = createServer((client) => client.destroy()).listen(path);
  onTestFinished(() => void server.close());
  expect(await wrong({ host: `unix://${path}` })).toMatchObject([
    {
      check: "engine",
      found: expect.stringContaining("nobody answers"),
      advice: expect.stringContaining("Start Docker"),
    },
  ]);
});

test("an image that is missing, one for another processor: each is told with what to do", async () => {
  expect(await wrong({ image: "no-such-image:1" })).toMatchObject([
    {
      check: "image",
      found: expect.stringContaining("no-such-image:1"),
      advice: expect.stringContaining("agentd images build"),
    },
  ]);
  const other = process.arch === "arm64" ? "amd64" : "arm64";
  await loadEmptyImage("agentd-test-other-arch:1", other);
  onTestFinished(() => engine.getImage("agentd-test-other-arch:1").remove());
  expect(await wrong({ image: "agentd-test-other-arch:1" })).toMatchObject([
    {
      check: "image",
      found: expect.stringContaining(`is for ${other}`),
      advice: expect.stringContaining("Build it here"),
    },
  ]);
});

test("--probe starts a container like a session's, and says what it cannot do", async () => {
  const found = await findings({}, "--probe");
  const of = (check: string) => found.find((each) => each.check === check);
  for (const check of ["this machine", "names", "files", "privileges"])
    expect(of(check)).toMatchObject({ status: "ok" });
  expect(of("this machine")?.found).toMatch(/out of reach: not at \d/);
  const left = await engine.listContainers({ all: true, filters: { label: ["agentruntime.session_id=probe"] } });
  expect(left).toEqual([]);
});
