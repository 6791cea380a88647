import { mkdir, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { dockerHost, engine } from "../support/docker-world.ts";
import { readReport } from "../support/doctor-report.ts";
import { loadEmptyImage } from "../support/empty-image.ts";
import { runCli } from "../support/start-daemon.ts";
import { tempDir } from "../support/temp-dir.ts";

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
  return readReport(stdout).findings.filter(({ about }) => about === "docker");
}

const wrong = async (docker: Record<string, unknown>) =>
  (await findings(docker)).filter(({ status }) => status === "wrong");

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
  await loadEmptyImage(engine, { name: "agentd-test-other-arch:1", architecture: other });
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
