/**
 * What a user gets: the packed tarball, installed by npm where nothing of this checkout is in reach, with an empty home. The
 * registry is the machine's own.
 */
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { execa } from "execa";
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import * as z from "zod";
import manifest from "../../package.json" with { type: "json" };
import { ClientSocket } from "../support/client-socket.ts";
import { eventually } from "../support/eventually.ts";
import { requests } from "../support/start-daemon.ts";
import { tempDir } from "../support/temp-dir.ts";

const { version } = manifest;
const root = fileURLToPath(new URL("../..", import.meta.url));
const Packed = z.tuple([
  z.object({ filename: z.string(), size: z.number(), files: z.array(z.object({ path: z.string() })) }),
]);

let folder: Awaited<ReturnType<typeof tempDir>>;
let packed: z.infer<typeof Packed>[0];
let tarball: string;
let prefix: string;
let registry: Record<string, string>;

beforeAll(async () => {
  folder = await tempDir();
  const { stdout } = await execa("npm", ["pack", "--json", "--pack-destination", folder.path], { cwd: root });
  [packed] = Packed.parse(JSON.parse(stdout));
  tarball = join(folder.path, packed.filename);
  prefix = join(folder.path, "prefix");
  registry = await registrySettings();
  await mkdir(prefix);
  await npm(await emptyHome("installing"), ["install", "--global", "--prefix", prefix, tarball]);
}, 120_000);
afterAll(() => folder?.remove());

/** By which settings this machine reaches its registry: an empty home and a prefix of one's own hide the files that say so. */
async function registrySettings(): Promise<Record<string, string>> {
  const of = async (name: string) => (await execa("npm", ["config", "get", name], { cwd: root })).stdout.trim();
  return { NPM_CONFIG_USERCONFIG: await of("userconfig"), NPM_CONFIG_GLOBALCONFIG: await of("globalconfig") };
}

async function emptyHome(name: string): Promise<string> {
  const home = join(folder.path, "homes", name);
  await mkdir(home, { recursive: true });
  return home;
}

/** Nothing of the environment of these tests, but by which authorities this machine knows its registry. */
function clean(home: string, more: Record<string, string> = {}) {
  const authorities = process.env["NODE_EXTRA_CA_CERTS"];
  return {
    extendEnv: false,
    env: {
      HOME: home,
      TMPDIR: folder.path,
      PATH: `${join(prefix, "bin")}:${dirname(process.execPath)}:/usr/bin:/bin`,
      ...(authorities === undefined ? {} : { NODE_EXTRA_CA_CERTS: authorities }),
      ...more,
    },
    cwd: home,
    stdin: "ignore",
  } as const;
}

/** A registry that does not answer is to be told of, not waited for. */
function npm(home: string, args: readonly string[], program: "npm" | "npx" = "npm") {
  const quick = { NPM_CONFIG_FETCH_RETRIES: "0", NPM_CONFIG_UPDATE_NOTIFIER: "false" };
  return execa(program, args, clean(home, { ...registry, ...quick }));
}

/** `agentd` as it was installed. */
const program = () => join(prefix, "bin", "agentd");

function agentd(home: string, args: readonly string[]) {
  return execa(program(), args, { ...clean(home, { NO_COLOR: "1" }), reject: false });
}

async function configure(home: string): Promise<void> {
  const dataDir = join(home, ".local/share/agentruntime");
  await mkdir(dataDir, { recursive: true, mode: 0o700 });
  const counter = { command: "seq", args: ["1", "3"] };
  await writeFile(join(dataDir, "config.json"), JSON.stringify({ agents: { counter } }));
}

test("the tarball holds what runs and what is read, and nothing of the tests, sources or this checkout's modules", () => {
  const tops = [...new Set(packed.files.map(({ path }) => path.split("/")[0]))].sort();
  expect(tops).toEqual([
    "CHANGELOG.md",
    "LICENSE",
    "README.md",
    "SECURITY.md",
    "dist",
    "docker",
    "docs",
    "package.json",
  ]);
  const paths = packed.files.map(({ path }) => path);
  expect(paths).toEqual(expect.arrayContaining(["dist/web/index.html", "dist/licenses.txt", "docs/upgrading.md"]));
  expect(paths.filter((path) => /\.tsx?$/.test(path) && !path.endsWith(".d.ts"))).toEqual([]);
  expect(packed.size).toBeLessThan(8_000_000);
});

test("installed for all: the version, and a command in a session of a daemon that starts by itself", async () => {
  const home = await emptyHome("installed");
  await configure(home);
  expect((await agentd(home, ["--version"])).stdout).toBe(version);
  const project = join(home, "project");
  await mkdir(project);
  const ran = await agentd(home, ["run", "--agent", "counter", "--work-dir", project, "count"]);
  expect([ran.exitCode, ran.stdout.split("\n").filter((line) => /^[123]$/.test(line))]).toEqual([0, ["1", "2", "3"]]);
  // That daemon leaves by itself.
  await eventually(async () => !(await readdir(join(home, ".local/share/agentruntime"))).includes("daemon.json"));
});

test("without agents on the machine run and doctor say what installs them", async () => {
  const home = await emptyHome("without-agents");
  const project = join(home, "project");
  await mkdir(project);
  const ran = await agentd(home, ["run", "--work-dir", project, "hello"]);
  expect([ran.exitCode, ran.stdout]).toEqual([1, expect.stringContaining("Install it: agentd agents install claude")]);
  expect((await agentd(home, ["doctor"])).stdout).toContain("Install it: agentd agents install claude");
  await eventually(async () => !(await readdir(join(home, ".local/share/agentruntime"))).includes("daemon.json"));
});

test("a daemon that stays up serves its console and the readable reference", async () => {
  const home = await emptyHome("served");
  await configure(home);
  const dataDir = join(home, ".local/share/agentruntime");
  const daemon = execa(program(), ["serve", "--port", "0", "--on-shutdown", "stop"], { ...clean(home), reject: false });
  onTestFinished(async () => {
    daemon.kill("SIGTERM");
    await daemon;
  });
  const { url } = await eventually(
    async () => {
      const file = JSON.parse(await readFile(join(dataDir, "daemon.json"), "utf8"));
      return typeof file.url === "string" ? (file as { url: string }) : undefined;
    },
    { deadlineMs: 60_000, what: "the daemon's start" },
  );
  const page = await (await fetch(`${url}/`)).text();
  const [, script = ""] = /<script[^>]* src="\.?\/?([^"]+)"/.exec(page) ?? [];
  const answers = await Promise.all(["/", `/${script}`, "/docs", "/openapi.json"].map((path) => fetch(url + path)));
  expect(answers.map(({ status, headers }) => [status, headers.get("content-type")?.split(";")[0]])).toEqual([
    [200, "text/html"],
    [200, "application/javascript"],
    [200, "text/html"],
    [200, "application/json"],
  ]);
  const token = (await agentd(home, ["token"])).stdout.trim();
  const created = await requests(url, token).post("/sessions", { agent: "counter", prompt: "count" });
  expect(created.status).toBe(201);
  const socket = await ClientSocket.open(`${created.body.ws_url}?since=0`, {
    headers: { authorization: `Bearer ${token}` },
  });
  expect(await socket.event(({ type }) => type === "exit")).toMatchObject({ data: { code: 0 } });
  await socket.close();
});

const dependent = `
import { access } from "node:fs/promises";
import { createDaemon, sidecarPath, type DaemonConfig } from "agentruntime";
import { createClient } from "agentruntime/client";

const config: DaemonConfig = { agents: { counter: { command: "seq", args: ["1", "3"] } }, on_shutdown: "stop" };
const daemon = createDaemon({ dataDir: "data", config });
await daemon.start();
const client = createClient({ url: daemon.url, token: daemon.token });
const session = await client.sessions.create({ agent: "counter", prompt: "count" });
for await (const event of session.events()) if (event.type === "stdout") console.log(event.data.text);
await access(sidecarPath());
await daemon.stop();
`;

test("a project that depends on it has the daemon, the client and their types, strictly checked", async () => {
  const home = await emptyHome("project");
  await writeFile(join(home, "package.json"), JSON.stringify({ name: "project", private: true, type: "module" }));
  await npm(home, ["install", tarball]);
  await writeFile(join(home, "program.ts"), dependent);
  // Node's own types are in no package of ours: what the program itself takes of Node is declared here.
  await writeFile(
    join(home, "node.d.ts"),
    'declare module "node:fs/promises" { export function access(path: string): Promise<void>; }\n',
  );
  const compilerOptions = { strict: true, module: "nodenext", target: "es2023", types: [], skipLibCheck: false };
  await writeFile(join(home, "tsconfig.json"), JSON.stringify({ compilerOptions, files: ["node.d.ts", "program.ts"] }));
  const checked = await execa(join(root, "node_modules/.bin/tsc"), ["-p", "."], { ...clean(home), reject: false });
  expect(checked.stdout).toBe("");
  const ran = await execa(process.execPath, ["program.js"], { ...clean(home), reject: false });
  expect([ran.stdout, ran.exitCode]).toEqual(["1\n2\n3", 0]);
});

test("npx needs no installation: the package's own name is agentd too", async () => {
  const home = await emptyHome("npx");
  expect((await npm(home, ["--yes", `file:${tarball}`, "--version"], "npx")).stdout).toBe(version);
  expect((await npm(home, ["--yes", "--package", tarball, "agentd", "--version"], "npx")).stdout).toBe(version);
});
