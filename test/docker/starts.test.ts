/** The start of a container session: what runs beside what, and what waits. */
import { chown, readdir } from "node:fs/promises";
import { expect, onTestFinished, test } from "vitest";
import { type Shells, startShells } from "../support/docker-shell.ts";
import { agentdContainers, agentdNetworks, dockerHost, engine } from "../support/docker-world.ts";
import { tempDir } from "../support/temp-dir.ts";

const deadlineMs = 120_000;
const settings = { host: dockerHost, memory: "256m" };

async function begin(more: Record<string, unknown> = {}): Promise<Shells> {
  const shells = await startShells({ settings: { ...settings, ...more } });
  onTestFinished(() => shells.stopDaemon());
  return shells;
}

async function workDir(): Promise<string> {
  const folder = await tempDir();
  onTestFinished(() => folder.remove());
  await chown(folder.path, 1000, 1000);
  return folder.path;
}

test(
  "where no proxy can be had no agent runs, though its container comes up beside, and nothing of it is left",
  async () => {
    const work_dir = await workDir();
    const without = await begin({ proxy_image: "agentd-test-none:latest" });
    const prompt = "touch ran";
    const { status, body, text } = await without.daemon.post("/sessions", { agent: "sh", prompt, work_dir });
    expect([status, body.error]).toEqual([503, "runtime_unavailable"]);
    expect(text).toContain('no image \\"agentd-test-none:latest\\"');
    expect(await readdir(work_dir)).toEqual([]);
    expect(await agentdContainers()).toEqual([]);
    // That of the proxy is kept for a next session.
    expect((await without.daemon.cli("gc")).exitCode).toBe(0);
    expect(await agentdNetworks()).toEqual([]);
    // The same where there is one.
    const shells = await begin();
    await shells.run(prompt, { work_dir });
    expect(await readdir(work_dir)).toEqual(["ran"]);
  },
  deadlineMs,
);

test(
  "an image that was taken away between two starts is missed with what to do, and the next start finds it again",
  async () => {
    const shells = await begin({ images: ["agentd-test-image:latest"] });
    const container = { image: "agentd-test-image:latest" };
    const image = engine.getImage("agentruntime-agent:latest");
    const tag = () => image.tag({ repo: "agentd-test-image", tag: "latest" });
    const untag = () => engine.getImage(container.image).remove();
    await tag();
    expect((await shells.run("echo first", { container })).lines).toEqual(["first"]);
    await shells.run("true");
    await untag();
    const { status, body, text } = await shells.daemon.post("/sessions", { agent: "sh", prompt: "true", container });
    expect([status, body.error]).toEqual([503, "runtime_unavailable"]);
    expect(text).toContain("agentd images build");
    await tag();
    onTestFinished(untag);
    expect((await shells.run("echo second", { container })).lines).toEqual(["second"]);
  },
  deadlineMs,
);
