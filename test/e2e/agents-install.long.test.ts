/** `agentd agents install`: the real npm, with a registry on loopback whose programs are little scripts. */
import { existsSync } from "node:fs";
import { chmod, mkdir, readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeEach, expect, onTestFinished, test } from "vitest";
import { platformPackage } from "../../src/runtime/platform-package.ts";
import { testedAgents } from "../../src/runtime/tested-agents.ts";
import { type MadePackage, type PackageRegistry, startPackageRegistry } from "../support/package-registry.ts";
import { runCli, startDaemon } from "../support/start-daemon.ts";
import { tempDir } from "../support/temp-dir.ts";

const version = testedAgents.opencode.newest;
let dataDir: string;

beforeEach(async () => {
  const dir = await tempDir();
  onTestFinished(dir.remove);
  dataDir = join(dir.path, "data");
});

function madeProgram(says: string): MadePackage {
  const { folder, file } = platformPackage("opencode") ?? { folder: "", file: "" };
  return {
    name: folder,
    version,
    files: { [file]: `#!/bin/sh\necho ${says}\n` },
    // A script of the package that would leave a trace, should npm run it.
    description: { scripts: { install: `touch ${join(dataDir, "script-ran")}` } },
  };
}

async function registryWith(...packages: MadePackage[]): Promise<PackageRegistry> {
  const registry = await startPackageRegistry(packages);
  onTestFinished(registry.close);
  return registry;
}

function install(registryUrl: string, args: readonly string[], env: Record<string, string> = {}) {
  return runCli(["agents", "install", ...args, "--data-dir", dataDir], {
    npm_config_registry: registryUrl,
    npm_config_fetch_retries: "0",
    ...env,
  });
}

test("the tested version is installed whole, without scripts, and once; it then comes before PATH", async () => {
  const registry = await registryWith(madeProgram(version));
  const first = await install(registry.url, ["opencode"]);
  expect(first.stderr).toContain(`opencode ${version}: fetching`);
  expect(first.exitCode).toBe(0);
  const program = first.stdout.split(" ").at(-1) ?? "";
  expect(program).toContain(join(dataDir, "agents", "opencode", version, "node_modules"));
  expect(existsSync(join(dataDir, "script-ran"))).toBe(false);
  expect(await readdir(join(dataDir, "agents"))).toEqual(["opencode"]);

  const askedOnce = registry.asked.length;
  const again = await install(registry.url, ["opencode", "--json"]);
  expect(JSON.parse(again.stdout)).toEqual([{ name: "opencode", version, program, is_new: false }]);
  expect(registry.asked.length).toBe(askedOnce);
  expect((await install(registry.url, ["opencode", "--force"])).exitCode).toBe(0);
  expect(registry.asked.length).toBeGreaterThan(askedOnce);

  const bin = join(dataDir, "bin");
  await mkdir(bin);
  await writeFile(join(bin, "opencode"), "#!/bin/sh\necho 0.0.1\n");
  await chmod(join(bin, "opencode"), 0o755);
  const daemon = await startDaemon({ dataDir, env: { PATH: `${bin}:${process.env["PATH"]}` } });
  onTestFinished(async () => void (await daemon.stop()));
  const opencode = async () =>
    (await daemon.get("/agents")).body.find(({ name }: { name: string }) => name === "opencode");
  expect(await opencode()).toMatchObject({ program, program_source: "installed" });
  expect((await daemon.cli("agents")).stdout).toMatch(/^opencode +opencode +agentd agents install +\//m);

  expect((await runCli(["agents", "uninstall", "opencode", "--data-dir", dataDir])).exitCode).toBe(0);
  expect(await opencode()).toMatchObject({ program: join(bin, "opencode"), program_source: "path" });
});

test("a program that is another version than was asked for is not kept", async () => {
  const registry = await registryWith(madeProgram("9.9.9"));
  const { exitCode, stderr } = await install(registry.url, ["opencode"]);
  expect(stderr).toContain(`says 9.9.9, expected ${version}`);
  expect(exitCode).toBe(1);
  expect(await readdir(join(dataDir, "agents"))).toEqual([]);
});

test("without npm, without the package, without a network and without a writable folder it says what to do", async () => {
  const registry = await registryWith();
  const fails = async (url: string, sentence: string, env?: Record<string, string>) => {
    const { exitCode, stderr } = await install(url, ["opencode"], env);
    expect(stderr).toContain(sentence);
    expect(exitCode).toBe(1);
  };
  await fails(registry.url, "there is no npm in PATH", { PATH: "/nonexistent" });
  await fails(registry.url, "the npm registry has no such version (E404)");
  await fails("http://127.0.0.1:1", "the npm registry cannot be reached (ECONNREFUSED)");
  expect(await readdir(join(dataDir, "agents"))).toEqual([]);
  await writeFile(`${dataDir}-file`, "");
  dataDir = `${dataDir}-file`;
  await fails(registry.url, "Cannot install into");
});

test("one that fails does not keep the others from being installed", async () => {
  const registry = await registryWith(madeProgram(version));
  const { exitCode, stdout, stderr } = await install(registry.url, ["codex", "opencode"]);
  expect(stderr).toContain("Cannot install codex");
  expect(stdout).toContain(`opencode ${version}`);
  expect(exitCode).toBe(1);
});

test("what an install that was killed left behind is taken away by the next", async () => {
  const registry = await registryWith(madeProgram(version));
  const left = join(dataDir, "agents", ".installing-999999999-1-opencode");
  await mkdir(left, { recursive: true });
  expect((await install(registry.url, ["opencode"])).exitCode).toBe(0);
  expect(existsSync(left)).toBe(false);
});

test("an unknown name exits with 2 and names those that there are", async () => {
  const { exitCode, stderr } = await install("http://127.0.0.1:1", ["emacs"]);
  expect(stderr).toContain("agentd installs claude (Claude Code), codex (Codex), opencode (OpenCode)");
  expect(exitCode).toBe(2);
});
