/** What systemd is told, by a `systemd-notify` of this test's own; and its unit, held against what the program takes. */
import { existsSync, mkdirSync, readFileSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, onTestFinished, test } from "vitest";
import { eventually } from "../support/eventually.ts";
import { runCli, startDaemon } from "../support/start-daemon.ts";
import { tempDir } from "../support/temp-dir.ts";

const notify = fileURLToPath(new URL("../fixtures/systemd-notify.sh", import.meta.url));
const unit = readFileSync(new URL("../../docs/systemd/agentd.service", import.meta.url), "utf8");

async function madeBin() {
  const dir = await tempDir();
  onTestFinished(() => dir.remove());
  const bin = join(dir.path, "bin");
  mkdirSync(bin);
  symlinkSync(notify, join(bin, "systemd-notify"));
  const file = join(bin, "told");
  const told = () => (existsSync(file) ? readFileSync(file, "utf8").split("\n").slice(0, -1) : []);
  const env = { NOTIFY_SOCKET: join(dir.path, "notify"), PATH: `${bin}:${process.env["PATH"]}` };
  return { dataDir: join(dir.path, "data"), env, told };
}

test("systemd hears that the daemon is ready once it answers, and at SIGTERM that it stops", async () => {
  const { dataDir, env, told } = await madeBin();
  const daemon = await startDaemon({ dataDir, env });
  onTestFinished(async () => {
    await daemon.stop();
  });
  const line = (state: string) =>
    `--pid=${daemon.pid} ${state} socket=${env.NOTIFY_SOCKET} by=${daemon.pid} listens=yes`;
  await eventually(() => told().length > 0, { what: "what systemd is told at the start" });
  expect(told()).toEqual([line("--ready")]);
  expect(await daemon.leave()).toEqual({ code: 0 });
  expect(told()).toEqual([line("--ready"), line("STOPPING=1")]);
});

test("who is no service tells nobody, and who cannot tell serves all the same", async () => {
  const { dataDir, env, told } = await madeBin();
  const alone = await startDaemon({ dataDir, env: { ...env, NOTIFY_SOCKET: undefined } });
  expect(await alone.leave()).toEqual({ code: 0 });
  expect(told()).toEqual([]);
  const mute = await startDaemon({ dataDir, env: { ...env, PATH: "/nowhere" } });
  onTestFinished(async () => {
    await mute.stop();
  });
  await eventually(() => mute.output().includes('Cannot tell the service manager \\"ready\\"'), {
    what: "the warning",
  });
  expect((await mute.get("/health/ready")).status).toBe(200);
});

test("the unit starts the program with flags that it has, and waits longer than the daemon does", async () => {
  const command = /^ExecStart=\S+ agentd (serve .*)$/m.exec(unit)?.[1] ?? "";
  const flags = command.match(/--[a-z-]+/g) ?? [];
  expect(flags).toContain("--data-dir");
  const { stdout } = await runCli(["serve", "--help"]);
  const known = new Set(stdout.match(/--[a-z-]+/g));
  expect(flags.filter((flag) => !known.has(flag))).toEqual([]);
  // What a silent engine may take (docs/docker.md), and the way out of the rest.
  expect(Number(/^TimeoutStopSec=(\d+)$/m.exec(unit)?.[1])).toBeGreaterThan(30);
});
