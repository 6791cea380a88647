import { copyFileSync, existsSync, mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { execa } from "execa";
import { afterAll, expect, test } from "vitest";

const root = fileURLToPath(new URL("../../..", import.meta.url));
const alone = mkdtempSync(join(tmpdir(), "agentd-bundles-"));
afterAll(() => rmSync(alone, { recursive: true }));

const run = (file: string, args: string[], env: Record<string, string> = {}) =>
  execa(join(alone, file), args, {
    cwd: alone,
    reject: false,
    input: "",
    extendEnv: false,
    env: { PATH: process.env["PATH"], ...env },
  });

test("agentd is one executable file that runs where nothing else is", async () => {
  copyAlone("agentd.js");
  const { version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as { version: string };
  expect(await run("agentd.js", ["--version"])).toMatchObject({ exitCode: 0, stdout: version, stderr: "" });
});

test("the sidecar is one executable file that runs where nothing else is", async () => {
  copyAlone("sidecar.js");
  const refusal = await run("sidecar.js", []);
  expect(refusal.exitCode).toBe(1);
  expect(refusal.stderr).toContain("AGENT_CMD is required");
});

test("the licences of what was bundled travel along", () => {
  const text = readFileSync(join(root, "dist/licenses.txt"), "utf8");
  for (const name of ["fastify", "zod", "ws", "commander", "preact", "marked"])
    expect(text).toMatch(new RegExp(`^=== ${name} \\d`, "m"));
  expect(text).not.toContain("no licence named");
});

function copyAlone(file: string): void {
  const from = join(root, "dist", file);
  expect(existsSync(from), `${from}: run npm run build`).toBe(true);
  expect(statSync(from).mode & 0o111).toBe(0o111);
  copyFileSync(from, join(alone, file));
}
