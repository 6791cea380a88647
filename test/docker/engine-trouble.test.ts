/** What can be wrong with an engine and its images: each is told with what to do, by doctor, at a daemon's start, at a session's. */
import { chmod, chown, copyFile, mkdir, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import { execa } from "execa";
import { expect, onTestFinished, test } from "vitest";
import { dockerHost, engine } from "../support/docker-world.ts";
import { readReport } from "../support/doctor-report.ts";
import { loadEmptyImage } from "../support/empty-image.ts";
import { makeOwnEngine } from "../support/own-engine.ts";
import { agentdPath, runCli, startDaemon } from "../support/start-daemon.ts";
import { tempDir } from "../support/temp-dir.ts";
import { mountSmallDisk } from "../torture/small-disk.ts";

const agents = { sh: { command: "sh", harness: "generic" } };
const nobody = 65534;
const here = process.arch === "arm64" ? "arm64" : "amd64";
const other = here === "arm64" ? "amd64" : "arm64";

async function folder(): Promise<string> {
  const dir = await tempDir();
  onTestFinished(dir.remove);
  return dir.path;
}

async function dataDirWith(docker: Record<string, unknown>): Promise<string> {
  const dataDir = join(await folder(), "data");
  await mkdir(dataDir, { mode: 0o700 });
  await writeFile(join(dataDir, "config.json"), JSON.stringify({ runtime: "docker", agents, docker }));
  return dataDir;
}

test.each<[string, host: string, advice: RegExp]>([
  ["is not there", "unix:///nowhere/docker.sock", /there is no such socket\. Install Docker Engine and start it/],
  ["is no address", "docker.sock", /expected unix:\/\/\/PATH for an engine on this machine/],
])("no daemon starts with an engine that %s, and it says what to do", async (_, host, advice) => {
  const { exitCode, stderr } = await runCli(["serve", "--port", "0", "--data-dir", await dataDirWith({ host })]);
  expect([exitCode, stderr]).toEqual([1, expect.stringMatching(advice)]);
});

test("no daemon starts with an engine that does not run, and it says what to do", async () => {
  const path = join(await folder(), "s");
  // A socket that a dead engine left.
  const server = createServer().listen(path);
  await new Promise((resolve) => server.once("listening", resolve));
  const keep = `${path}.kept`;
  await execa("ln", [path, keep]);
  await new Promise((resolve) => server.close(resolve));
  const dataDir = await dataDirWith({ host: `unix://${keep}` });
  const { exitCode, stderr } = await runCli(["serve", "--port", "0", "--data-dir", dataDir]);
  expect([exitCode, stderr]).toEqual([1, expect.stringMatching(/nobody answers on its socket\. Start Docker/)]);
});

test.each<[string, mode: number, gid: number, told: RegExp, advice: RegExp]>([
  [
    "root's alone",
    0o600,
    0,
    /user nobody may not open its socket: ".*s" is for root alone \(mode 0600\)/,
    /dockerd -G/,
  ],
  ["a group's", 0o660, 12345, /user nobody may not open its socket/, /usermod -aG 12345 nobody/],
])("a socket that is %s: doctor says to another user what would let it in", async (_, mode, gid, told, advice) => {
  const dir = await folder();
  const path = join(dir, "s");
  const server = createServer().listen(path);
  await new Promise((resolve) => server.once("listening", resolve));
  onTestFinished(() => void server.close());
  await chown(path, 0, gid);
  await chmod(path, mode);
  // The program and its data dir are that user's to read; whether the checkout is, nobody knows.
  const dataDir = await dataDirWith({ host: `unix://${path}` });
  const program = join(dir, "agentd.js");
  await copyFile(agentdPath, program);
  for (const open of [dir, join(dir, ".."), join(dataDir, ".."), program]) await chmod(open, 0o755);
  for (const own of [dataDir, join(dataDir, "config.json")]) await chown(own, nobody, nobody);
  const words = [`--reuid=${nobody}`, `--regid=${nobody}`, "--clear-groups", process.execPath, program];
  const { stdout } = await execa("setpriv", [...words, "doctor", "sh", "--json", "--data-dir", dataDir], {
    env: { HOME: dataDir },
    reject: false,
  });
  const { findings } = readReport(stdout);
  expect(findings.filter(({ check }) => check === "engine")).toEqual([
    expect.objectContaining({
      status: "wrong",
      found: expect.stringMatching(told),
      advice: expect.stringMatching(advice),
    }),
  ]);
});

test.each<[string, docker: Record<string, unknown>, code: string, message: RegExp]>([
  [
    "is missing",
    { image: "no-such-image:1" },
    "runtime_unavailable",
    /no image "no-such-image:1"\. Run "agentd images build"/,
  ],
  [
    "is for another processor",
    { image: "agentd-test-arch:1" },
    "launch_failed",
    /is for .* and the engine runs on .*\. Build it here/,
  ],
  [
    "is missing for the proxy",
    { proxy_image: "no-such-proxy:1" },
    "runtime_unavailable",
    /no image "no-such-proxy:1"\. Run/,
  ],
])("a session whose image %s is refused, and told what to do", async (_, docker, code, message) => {
  await loadEmptyImage(engine, { name: "agentd-test-arch:1", architecture: other });
  onTestFinished(() => engine.getImage("agentd-test-arch:1").remove());
  const daemon = await startDaemon({ config: { runtime: "docker", agents, docker: { host: dockerHost, ...docker } } });
  onTestFinished(async () => void (await daemon.stop()));
  const { body } = await daemon.post("/sessions", { agent: "sh", prompt: "true" });
  expect(body).toMatchObject({ error: code, message: expect.stringMatching(message) });
});

test("a build on a base image that cannot be had fails and says what to do; the image that was there stays", async () => {
  const image = async () => (await engine.getImage("agentruntime-proxy:latest").inspect()).Id;
  const before = await image();
  // A registry at which nobody listens.
  const args = ["images", "build", "proxy", "--docker-host", dockerHost, "--proxy-base", "127.0.0.1:1/no-such:1"];
  const { exitCode, stderr } = await runCli(args);
  expect([exitCode, stderr]).toEqual([
    1,
    expect.stringMatching(
      /Cannot build the image "agentruntime-proxy:latest": .*127\.0\.0\.1:1.*name a base image that is there with .*--proxy-base/s,
    ),
  ]);
  expect(await image()).toBe(before);
});

test("an engine whose disk is full: doctor says so, and a session that is refused by it", async () => {
  const disk = mountSmallDisk(join(await folder(), "disk"), 64);
  onTestFinished(() => disk.remove());
  const own = await makeOwnEngine({ withImages: false, dataRoot: disk.path });
  onTestFinished(async () => {
    disk.free();
    await own.remove();
  });
  const [image, proxy_image] = ["agentd-test-full:agent", "agentd-test-full:proxy"];
  for (const name of [image, proxy_image]) await loadEmptyImage(own.docker, { name, architecture: here });
  const docker = { host: own.host, image, proxy_image };
  const daemon = await startDaemon({ config: { runtime: "docker", agents, docker } });
  onTestFinished(async () => void (await daemon.stop()));
  disk.fill();
  const { status, body } = await daemon.post("/sessions", { agent: "sh", prompt: "true" });
  expect([status, body.error]).toEqual([503, "disk_full"]);
  expect(body.message).toMatch(/the engine's disk is full \(.*no space left.*\)\. Make room: docker system prune/s);
  const args = ["doctor", "sh", "--json", "--data-dir", await dataDirWith(docker)];
  const { findings } = readReport((await runCli(args)).stdout);
  expect(findings.find(({ about, check }) => about === "docker" && check === "disk")).toMatchObject({
    status: "wrong",
    found: expect.stringMatching(/^0\.0 GB free at/),
    advice: expect.stringContaining("docker system prune"),
  });
}, 120_000);
