/** `agentd doctor` on machines on which something is wrong: each fault is made, and it is named with what to do. */
import { chmod, chown, mkdir, open, readFile, truncate, utimes, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { execa } from "execa";
import { beforeEach, expect, onTestFinished, test } from "vitest";
import { kindOf } from "../../src/doctor/storage-kind.ts";
import { readReport } from "../support/doctor-report.ts";
import { eventually } from "../support/eventually.ts";
import { agentdPath, startDaemon } from "../support/start-daemon.ts";
import { tempDir } from "../support/temp-dir.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));
const isRoot = process.getuid?.() === 0;
const counter = { command: "seq", args: ["1", "3"] };

let dataDir: string;

beforeEach(async () => {
  const folder = await tempDir();
  onTestFinished(folder.remove);
  dataDir = join(folder.path, "data");
  await mkdir(dataDir, { mode: 0o700 });
  await configure({});
});

function configure(config: object): Promise<void> {
  return writeFile(join(dataDir, "config.json"), JSON.stringify({ agents: { counter }, ...config }));
}

/** `before`: shell commands in front of it, of the same shell. What is not as it should be, by its check. */
async function faults(before = "true", env: Record<string, string> = {}) {
  const script = `${before} && exec "$0" "$@"`;
  const args = [agentdPath, "doctor", "counter", "--json", "--data-dir", dataDir, "--port", "0"];
  const { stdout } = await execa("sh", ["-c", script, process.execPath, ...args], {
    env: { AGENTD_URL: "", ...env },
    reject: false,
  });
  const { findings } = readReport(stdout);
  return findings.filter(({ status, check }) => status !== "ok" && status !== "note" && check !== "login");
}

/** A data dir in which a session has ended. */
async function withSession(): Promise<string> {
  const daemon = await startDaemon({ dataDir, config: { agents: { counter } } });
  const { body } = await daemon.post("/sessions", { agent: "counter", prompt: "count" });
  const id = String(body.session_id);
  await eventually(async () => (await daemon.get(`/sessions/${id}`)).body.status === "completed");
  await daemon.stop();
  return id;
}

test("nothing of it is found where nothing is wrong, and nothing is changed by looking", async () => {
  await withSession();
  const before = await execa("sh", ["-c", "find . -type f -exec sha256sum {} + | sort"], { cwd: dataDir });
  expect(await faults()).toEqual([]);
  const after = await execa("sh", ["-c", "find . -type f -exec sha256sum {} + | sort"], { cwd: dataDir });
  expect(after.stdout).toBe(before.stdout);
});

test("a token that others may read, and one that is none", async () => {
  const path = join(dataDir, "token");
  await writeFile(path, `${"t".repeat(40)}\n`);
  await chmod(path, 0o644);
  const [open = undefined, ...others] = await faults();
  expect([open?.check, open?.status, open?.advice, others]).toEqual([
    "token",
    "warning",
    expect.stringContaining(`chmod 600 ${path}`),
    [],
  ]);
  await writeFile(path, "short\n");
  await chmod(path, 0o600);
  expect(await faults()).toMatchObject([
    { check: "token", status: "wrong", advice: expect.stringContaining("Delete") },
  ]);
});

test("a store that is no database, one that is damaged inside, and not while a daemon has it", async () => {
  await withSession();
  const path = join(dataDir, "state.db");
  // All of it into this one file: what lies in the other would hide the damage.
  const settle = "const s = new (require('libsql'))(process.argv[1]); s.pragma('wal_checkpoint(TRUNCATE)'); s.close()";
  await execa(process.execPath, ["-e", settle, path], { cwd: root });
  const whole = await readFile(path);
  expect(whole.length).toBeGreaterThan(8 * 4096);
  const file = await open(path, "r+");
  await file.write(Buffer.alloc(whole.length - 4096, 0x55), 0, whole.length - 4096, 4096);
  await file.close();
  expect(await faults()).toMatchObject([
    {
      check: "store",
      status: "wrong",
      found: expect.stringContaining("damaged"),
      advice: expect.stringContaining("reindex"),
    },
  ]);
  await writeFile(path, "this is no database, and long enough to be looked at as one");
  expect(await faults()).toMatchObject([
    {
      check: "store",
      status: "wrong",
      found: expect.stringContaining(path),
      advice: expect.stringContaining("reindex"),
    },
  ]);
  await writeFile(path, whole);
  const daemon = await startDaemon({ dataDir, config: { agents: { counter } } });
  expect(await faults()).toEqual([]);
  await daemon.stop();
});

test("a record that cannot be read, and a log that was cut off", async () => {
  const id = await withSession();
  const folder = join(dataDir, "sessions", id);
  await truncate(join(folder, "events.ndjson"), 100);
  const [cut] = await faults();
  expect(cut).toMatchObject({
    check: "sessions",
    status: "warning",
    found: `1 of 1 are damaged: ${id} (its log is cut off)`,
  });
  await writeFile(join(folder, "session.json"), "{ half a reco");
  expect(await faults()).toMatchObject([
    {
      check: "sessions",
      found: expect.stringContaining(`${id} (its record cannot be read: `),
      advice: expect.any(String),
    },
  ]);
});

test("a clock that was set back: files of the data dir are still to come", async () => {
  await withSession();
  const tomorrow = Date.now() / 1000 + 86_400;
  await utimes(join(dataDir, "token"), tomorrow, tomorrow);
  expect(await faults()).toMatchObject([
    { check: "clock", status: "warning", advice: expect.stringContaining("clock") },
  ]);
});

test("few file handles, and too few", async () => {
  expect(await faults("ulimit -n 4096")).toMatchObject([
    { check: "file handles", status: "warning", found: expect.stringContaining("4096") },
  ]);
  expect(await faults("ulimit -n 128")).toMatchObject([
    { check: "file handles", status: "wrong", advice: expect.stringContaining("LimitNOFILE") },
  ]);
});

test("a temp folder that is not there, and an address at which no daemon is", async () => {
  const found = await faults("true", { TMPDIR: join(dataDir, "none"), AGENTD_URL: "http://127.0.0.1:9" });
  expect(found).toMatchObject([
    { check: "AGENTD_URL", status: "wrong", advice: expect.stringContaining("unset AGENTD_URL") },
    { check: "temp folder", status: "wrong", advice: expect.stringContaining("TMPDIR") },
  ]);
});

test("egress that lets everything pass, and a proxy of the network that nobody is at", async () => {
  const server = createServer().listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  const address = server.address();
  const port = typeof address === "object" && address ? address.port : 0;
  // This machine by a name that is not known for it.
  const proxy = `http://0.0.0.0:${port}`;
  const docker = { host: `unix://${join(dataDir, "no-engine.sock")}` };
  await configure({ runtime: "docker", docker, egress: { mode: "audit", upstream_proxy: proxy } });
  const about = async () =>
    (await faults()).filter(({ check }) => check !== "engine").map(({ check, status }) => [check, status]);
  expect(await about()).toEqual([["egress", "warning"]]);
  await new Promise((resolve) => server.close(resolve));
  await configure({ runtime: "docker", docker, egress: { upstream_proxy: proxy } });
  expect(await about()).toEqual([["upstream proxy", "wrong"]]);
  const network = { ...docker, egress_network: "corporate" };
  await configure({ runtime: "docker", docker: network, egress: { upstream_proxy: proxy } });
  expect(await about()).toEqual([]);
  await configure({ runtime: "docker", docker, egress: { upstream_proxy: `http://127.0.0.1:${port}` } });
  expect(await faults()).toContainEqual(
    expect.objectContaining({
      check: "upstream proxy",
      status: "wrong",
      found: expect.stringContaining("not this machine"),
    }),
  );
});

test.skipIf(!isRoot || process.platform !== "linux")(
  "a data dir in memory, on a full disk, and on one with no more files",
  async () => {
    const at = (options: string) =>
      execa(
        "unshare",
        [
          "-m",
          "sh",
          "-c",
          `mount -t tmpfs -o ${options} none "$1" && shift && exec "$@"`,
          "sh",
          dataDir,
          process.execPath,
          agentdPath,
          "doctor",
          "--json",
          "--data-dir",
          dataDir,
          "--port",
          "0",
        ],
        {
          env: { AGENTD_URL: "" },
          reject: false,
        },
      );
    const of = async (options: string) => {
      const { findings } = readReport((await at(options)).stdout);
      return findings
        .filter(({ check }) => check === "disk" || check === "file system")
        .map(({ check, status }) => [check, status]);
    };
    expect(await of("size=2g,nr_inodes=10000,mode=700")).toEqual([
      ["file system", "warning"],
      ["disk", "ok"],
    ]);
    expect(await of("size=50m,mode=700")).toEqual([
      ["file system", "warning"],
      ["disk", "wrong"],
    ]);
    expect(await of("size=2g,nr_inodes=50,mode=700")).toEqual([
      ["file system", "warning"],
      ["disk", "wrong"],
    ]);
  },
);

test.skipIf(!isRoot || process.platform !== "linux")(
  "a data dir of somebody else's, and one on a disk that is read-only",
  async () => {
    await chown(dataDir, 4321, 4321);
    expect(await faults()).toMatchObject([
      { check: "data dir", status: "warning", advice: expect.stringContaining("--data-dir") },
    ]);
    const readOnly = 'mount --bind "$1" "$1" && mount -o remount,bind,ro "$1" && shift && exec "$@"';
    const doctor = [process.execPath, agentdPath, "doctor", "counter", "--json", "--data-dir", dataDir, "--port", "0"];
    const { stdout } = await execa("unshare", ["-m", "sh", "-c", readOnly, "sh", dataDir, ...doctor], {
      env: { AGENTD_URL: "" },
      reject: false,
    });
    const { findings } = readReport(stdout);
    expect(findings.find(({ check }) => check === "data dir")).toMatchObject({
      status: "wrong",
      found: expect.stringContaining("EROFS"),
    });
  },
);

test("disks of other machines are known by their numbers, with a sign or without", () => {
  expect([0x6969, 0xff534d42, 0xff534d42 | 0, 0xef53].map(kindOf)).toEqual([
    { network: "NFS" },
    { network: "CIFS" },
    { network: "CIFS" },
    "local",
  ]);
});
