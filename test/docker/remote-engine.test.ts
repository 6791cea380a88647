/** An engine on another machine: reached by TLS, and nothing of this machine is mounted. */
import { chown, mkdir, readdir, readFile, readlink, rename, rm, stat, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { text as readText } from "node:stream/consumers";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { LoggedEvent } from "../support/client-socket.ts";
import { denials, type Shells, startShells, textOf } from "../support/docker-shell.ts";
import { eventually } from "../support/eventually.ts";
import { readLog } from "../support/read-log.ts";
import { makeCertificates, makeRemoteEngine, type RemoteEngine } from "../support/remote-engine.ts";
import { hasSshd, startSshServer } from "../support/ssh-server.ts";
import { runCli, startDaemon } from "../support/start-daemon.ts";
import { type TempDir, tempDir } from "../support/temp-dir.ts";

const deadlineMs = 240_000;
if (!hasSshd) console.warn("SKIPPED: the test of an engine by ssh needs sshd (apt-get install openssh-server)");
let engine: RemoteEngine;
let shells: Shells;
let project: TempDir;

beforeAll(async () => {
  engine = await makeRemoteEngine();
  shells = await startShells({
    settings: { host: engine.host, cert_path: engine.certificates },
    config: {
      agents: {
        sh: { command: "bash", harness: "generic" },
        hidden: { command: "claude", harness: "claude", key_env: "OPERATORS_KEY", hide_key: true },
      },
      egress: { allow: ["allowed.test"] },
    },
    env: { OPERATORS_KEY: "any", DOCKER_HOST: undefined, DOCKER_CERT_PATH: undefined },
  });
  project = await tempDir();
  await mkdir(project.path, { recursive: true });
}, deadlineMs);

afterAll(async () => {
  await shells?.stopDaemon();
  await engine?.remove();
  await project?.remove();
}, deadlineMs);

const has = (text: string) => (events: readonly LoggedEvent[]) =>
  events.some(({ type, data }) => type === "stdout" && data["text"] === text);
const at = (name: string) => join(project.path, name);

/** Behind `exit` comes the way back of what was made. */
async function isBack(id: string): Promise<void> {
  const filters = { label: [`agentruntime.session_id=${id}`] };
  await eventually(async () => ((await engine.docker.listVolumes({ filters })).Volumes ?? []).length === 0, {
    deadlineMs: 60_000,
    what: "the way back of what the session made",
  });
}

async function fill(files: Record<string, string>): Promise<void> {
  for (const name of await readdir(project.path)) await rm(at(name), { recursive: true });
  await mkdir(at("folder"));
  for (const [name, text] of Object.entries(files)) await writeFile(at(name), text);
  for (const name of [".", "folder", ...Object.keys(files)]) await chown(at(name), 1234, 1234);
}

test(
  "the work dir is there as a copy, and what the session made of it comes back as its owner's",
  async () => {
    await fill({
      "kept.txt": "kept",
      "changed.txt": "before",
      "removed.txt": "x",
      "folder/inner.txt": "inner",
      "run.sh": "echo run",
    });
    await symlink("/nowhere/at/all", at("link"));
    await writeFile(at("secret.txt"), "ROOT", { mode: 0o600 });
    const { id, lines } = await shells.run(
      [
        "cat kept.txt changed.txt folder/inner.txt; echo; id -u; stat -c %u . kept.txt; readlink link; cat secret.txt 2>&1 | tail -c 18",
        "git init -q . && git status --short | wc -l",
        "echo after > changed.txt; rm removed.txt; rm -r folder; mkdir -p new/deep; echo made > new/deep/made.txt; ln -s made.txt new/deep/also; chmod +x run.sh",
        "echo remembered > ~/note",
      ].join("\n"),
      { work_dir: project.path },
    );
    expect(lines).toEqual(["keptbeforeinner", "1000", "1000", "1000", "/nowhere/at/all", "Permission denied", "7"]);
    await isBack(id);
    expect((await readdir(project.path)).sort()).toEqual(
      [".git", "changed.txt", "kept.txt", "link", "new", "run.sh", "secret.txt"].sort(),
    );
    expect(await readFile(at("changed.txt"), "utf8")).toBe("after\n");
    expect(await readFile(at("new/deep/made.txt"), "utf8")).toBe("made\n");
    expect(await readlink(at("new/deep/also"))).toBe("made.txt");
    expect(await readlink(at("link"))).toBe("/nowhere/at/all");
    expect((await stat(at("run.sh"))).mode & 0o777).toBe(0o755);
    expect([(await stat(at("new/deep/made.txt"))).uid, (await stat(at("secret.txt"))).uid]).toEqual([1234, 0]);
    const home = join(shells.daemon.dataDir, "sessions", id, "home", "note");
    expect(await readFile(home, "utf8")).toBe("remembered\n");
  },
  deadlineMs,
);

test(
  "what was changed here meanwhile stays, and the session's version lies beside it",
  async () => {
    await fill({
      "both.txt": "before",
      "here.txt": "before",
      "there.txt": "before",
      "gone-here.txt": "x",
      "gone-there.txt": "x",
    });
    const id = await shells.start(
      "echo ready; for i in $(seq 600); do [ -e ~/go ] && break; sleep 0.1; done; echo theirs > both.txt; echo theirs > there.txt; rm gone-there.txt",
      { work_dir: project.path },
    );
    await shells.log(id, has("ready"));
    await writeFile(at("both.txt"), "ours, and longer");
    await writeFile(at("here.txt"), "ours, and longer");
    await writeFile(at("gone-there.txt"), "still wanted");
    await rm(at("gone-here.txt"));
    await inContainer(id, "touch /home/agent/go");
    await shells.log(id);
    await isBack(id);
    const found = Object.fromEntries(
      await Promise.all(
        (await readdir(project.path))
          .filter((name) => name !== "folder")
          .map(async (name) => [name, await readFile(at(name), "utf8")]),
      ),
    );
    expect(found).toEqual({
      "both.txt": "ours, and longer",
      [`both.txt.from-${id}`]: "theirs\n",
      "here.txt": "ours, and longer",
      "there.txt": "theirs\n",
      "gone-there.txt": "still wanted",
    });
    expect(shells.daemon.output()).toContain("changed the same file");
  },
  deadlineMs,
);

test(
  "a link that is put in a folder's place here is not followed on the way back",
  async () => {
    await fill({ "folder/inner.txt": "inner" });
    const elsewhere = await tempDir();
    await mkdir(elsewhere.path, { recursive: true });
    await writeFile(join(elsewhere.path, "inner.txt"), "inner");
    const id = await shells.start(
      "echo ready; for i in $(seq 600); do [ -e ~/go ] && break; sleep 0.1; done; rm folder/inner.txt; echo x > folder/new.txt",
      { work_dir: project.path },
    );
    await shells.log(id, has("ready"));
    await rm(at("folder"), { recursive: true });
    await symlink(elsewhere.path, at("folder"));
    await inContainer(id, "touch /home/agent/go");
    await shells.log(id);
    await isBack(id);
    expect(await readdir(elsewhere.path)).toEqual(["inner.txt"]);
    expect(await readlink(at("folder"))).toBe(elsewhere.path);
    await elsewhere.remove();
  },
  deadlineMs,
);

const numbers = (count: number) => Array.from({ length: count }, (_, index) => String(index + 1));

test(
  "each line comes once over broken connections and the daemon's death",
  async () => {
    const id = await shells.start("for i in $(seq 150); do echo $i; sleep 0.1; done; echo remembered > ~/note");
    await shells.log(id, has("20"));
    engine.cut();
    await shells.log(id, has("60"));
    await shells.daemon.kill9();
    shells.daemon = await startDaemon({ dataDir: shells.daemon.dataDir, env: { OPERATORS_KEY: "any" } });
    const events = await shells.log(id);
    expect(textOf(events, "stdout")).toEqual(numbers(150));
    expect(events.at(-1)).toMatchObject({ type: "exit", data: { code: 0 } });
    await isBack(id);
    const home = join(shells.daemon.dataDir, "sessions", id, "home", "note");
    expect(await readFile(home, "utf8")).toBe("remembered\n");
  },
  deadlineMs,
);

test(
  "of a container that is killed comes back what it had made, with the lines that were not told yet",
  async () => {
    await fill({ "kept.txt": "kept" });
    const id = await shells.start("echo made > made.txt; echo ready; sleep 300", { work_dir: project.path });
    await shells.log(id, has("ready"));
    const [container] = await containersOf(id);
    await engine.docker.getContainer(container?.Id ?? "").kill();
    const events = await shells.log(id);
    expect(events.at(-1)).toMatchObject({ type: "exit", data: { error_category: "sidecar_lost" } });
    await isBack(id);
    expect((await readdir(project.path)).sort()).toEqual(["folder", "kept.txt", "made.txt"]);
  },
  deadlineMs,
);

test(
  "a daemon of another machine whose data dir has the same path leaves alone what is not its own",
  async () => {
    const id = await shells.start(
      "echo remembered > ~/note; for i in $(seq 600); do [ -e ~/go ] && break; sleep 0.1; done",
    );
    await eventually(async () => (await containersOf(id)).length > 0, { what: "the session's container" });
    const { dataDir } = shells.daemon;
    await shells.daemon.kill9();
    await rename(dataDir, `${dataDir}-of-another`);
    const other = await startDaemon({
      dataDir,
      config: { runtime: "docker", docker: { host: engine.host, cert_path: engine.certificates } },
    });
    expect((await other.post("/gc", { dry_run: false })).body.leftovers).toEqual([]);
    await other.stop();
    await rm(dataDir, { recursive: true });
    await rename(`${dataDir}-of-another`, dataDir);
    shells.daemon = await startDaemon({ dataDir, env: { OPERATORS_KEY: "any" } });
    await inContainer(id, "touch /home/agent/go");
    expect((await shells.log(id)).at(-1)).toMatchObject({ type: "exit", data: { code: 0 } });
    await isBack(id);
    expect(await readFile(join(dataDir, "sessions", id, "home", "note"), "utf8")).toBe("remembered\n");
  },
  deadlineMs,
);

test(
  "of volumes of which one is gone the others come back, and what is lost is told",
  async () => {
    await fill({ "kept.txt": "kept" });
    const id = await shells.start("echo made > made.txt; echo ready; sleep 300", { work_dir: project.path });
    await shells.log(id, has("ready"));
    const { dataDir } = shells.daemon;
    await shells.daemon.kill9();
    const [container] = await containersOf(id);
    await engine.docker.getContainer(container?.Id ?? "").remove({ force: true });
    const { Volumes } = await volumesOf(id);
    const home = Volumes.find(({ Name }) => Name.endsWith("-home"));
    await engine.docker.getVolume(home?.Name ?? "").remove();
    shells.daemon = await startDaemon({ dataDir, env: { OPERATORS_KEY: "any" } });
    await isBack(id);
    expect((await readdir(project.path)).sort()).toEqual(["folder", "kept.txt", "made.txt"]);
    expect(shells.daemon.output()).toContain("its volumes (home) are gone from the engine");
  },
  deadlineMs,
);

test(
  "a work dir that is made too large to come back stays over there, keeps nothing else back, and no daemon from its start",
  async () => {
    await fill({ "kept.txt": "kept" });
    const { id } = await shells.run("truncate -s 1T huge; echo remembered > ~/note", { work_dir: project.path });
    const note = join(shells.daemon.dataDir, "sessions", id, "home", "note");
    const left = async () => (await volumesOf(id)).Volumes.map(({ Name }) => Name.replace(/.*-/, ""));
    await eventually(async () => (await readFile(note, "utf8").catch(() => "")) === "remembered\n", {
      deadlineMs: 60_000,
      what: "the home",
    });
    await shells.daemon.kill9();
    shells.daemon = await startDaemon({ dataDir: shells.daemon.dataDir, env: { OPERATORS_KEY: "any" } });
    expect(await left()).toContain("work");
    expect(shells.daemon.output()).toContain("tries again");
    // Killed in the midst of its end, the session is live again until the next daemon has ended it.
    const refused = await eventually(
      async () => {
        const said = await shells.daemon.cli("gc");
        return said.stdout.includes(`-work, of session ${id}`) && said;
      },
      { deadlineMs: 60_000, what: "the volume in what gc tells" },
    );
    expect(refused.stderr).toContain("did not come back");
    const { Volumes } = await volumesOf(id);
    for (const { Name } of Volumes) await engine.docker.getVolume(Name).remove();
    expect(await readdir(project.path)).not.toContain("huge");
  },
  deadlineMs,
);

test(
  "when what the sidecar had not told cannot come back, the session's end says so, and a later gc says where it lies",
  async () => {
    const id = await shells.start("echo ready; truncate -s 1T /run/agentruntime/session/huge; sleep 300");
    await shells.log(id, has("ready"));
    const { dataDir } = shells.daemon;
    const sidecarDir = join(dataDir, "sessions", id, "box");
    const [container] = await containersOf(id);
    await eventually(async () => (await said(id, "ls /run/agentruntime/session")).includes("huge"));
    await shells.daemon.kill9();
    // Nobody is there to hear of it: it stays in the sidecar's own file.
    await inContainer(id, "touch /home/agent/unheard");
    await engine.docker.getContainer(container?.Id ?? "").kill();
    shells.daemon = await startDaemon({ dataDir, env: { OPERATORS_KEY: "any" } });
    const events = await shells.log(id);
    expect(events.at(-1)).toMatchObject({ type: "exit", data: { error_category: "sidecar_lost" } });
    expect(String(events.at(-1)?.data["error_detail"])).toMatch(
      /Not all that it did came back: box: Cannot copy .*huge/,
    );
    const { Volumes } = await volumesOf(id);
    expect(Volumes.map(({ Name }) => Name.replace(/.*-/, ""))).toEqual(["box"]);
    await onVolume(Volumes[0]?.Name ?? "", "rm /there/huge");
    expect((await shells.daemon.cli("gc")).stdout).toContain("-box");
    await isBack(id);
    const spools = (await readdir(sidecarDir)).filter((name) => name.startsWith("spool-"));
    expect(spools.length).toBeGreaterThan(0);
    expect(shells.daemon.output()).toContain(`It lies in ${join(sidecarDir, spools[0] ?? "")}`);
  },
  deadlineMs,
);

test(
  "the proxy there judges by the lists from here, also when they change",
  async () => {
    const curl = (name: string) => `curl -sk -m 20 -o /dev/null -w '%{http_connect}\\n' https://${name}/`;
    const id = await shells.start(
      `${curl("denied.test")}; for i in $(seq 600); do [ -e ~/go ] && break; sleep 0.1; done; ${curl("denied.test")}; ${curl("allowed.test")}; sleep 1`,
    );
    await shells.log(id, has("403"));
    await shells.configure({ egress: { allow: ["denied.test"] } });
    expect((await shells.daemon.post("/egress/reload")).body.sessions).toEqual([id]);
    await inContainer(id, "touch /home/agent/go");
    const events = await shells.log(id);
    expect(denials(events).filter(({ reason }) => reason === "name")).toEqual([
      { host: "denied.test", port: 443, reason: "name" },
      { host: "allowed.test", port: 443, reason: "name" },
    ]);
  },
  deadlineMs,
);

describe("what cannot be there is refused, and says why:", () => {
  test.each([
    ["a folder of this machine", { mounts: [{ host: "/opt", container: "/mnt/opt" }] }, "mounts"],
    ["a hidden key", { agent: "hidden" }, "hide_key"],
  ])("%s", async (_, asked, named) => {
    const { status, body } = await shells.daemon.post("/sessions", { agent: "sh", prompt: "true", ...asked });
    expect([status, body.error]).toEqual([400, "unsupported_by_runtime"]);
    expect(body.message).toContain(named);
    expect(body.message).toContain("on another machine");
  });

  test.each<[string, { DOCKER_CERT_PATH?: string }, RegExp]>([
    ["a port without certificates", {}, /cert_path/],
    ["certificates of another authority", { DOCKER_CERT_PATH: "other" }, /certificate|authority/],
    ["a folder without certificates", { DOCKER_CERT_PATH: "/opt" }, /ca\.pem/],
  ])("%s", async (_, env, message) => {
    const folder = await tempDir();
    const client = join(folder.path, "client");
    const isOther = env.DOCKER_CERT_PATH === "other";
    if (isOther) await makeCertificates(folder.path, { certificates: client, server: join(folder.path, "server") });
    const other = isOther ? client : env.DOCKER_CERT_PATH;
    const { exitCode, stderr } = await runCli(
      [
        "serve",
        "--runtime",
        "docker",
        "--docker-host",
        engine.host,
        "--data-dir",
        join(folder.path, "data"),
        "--port",
        "0",
      ],
      other === undefined ? {} : { DOCKER_CERT_PATH: other },
    );
    await folder.remove();
    expect(exitCode).not.toBe(0);
    expect(stderr).toMatch(message);
  });
});

test.skipIf(!hasSshd)(
  "by ssh it is the same: a session works on a copy, over the daemon's death, and each line comes once",
  async () => {
    await fill({ "kept.txt": "kept" });
    const folder = await tempDir();
    const ssh = await startSshServer(join(folder.path, "ssh"), { DOCKER_HOST: engine.socket });
    const dataDir = join(folder.path, "data");
    const config = { runtime: "docker", agents: { sh: { command: "bash", harness: "generic" } } };
    const args = ["--docker-host", ssh.url];
    const { env } = ssh;
    // Each call of the engine begins with an ssh of its own, which takes its time on a busy machine.
    let daemon = await startDaemon({ dataDir, config, args, env, deadlineMs: 60_000 });
    const { body } = await daemon.post("/sessions", {
      agent: "sh",
      prompt: "for i in $(seq 60); do echo $i; sleep 0.1; done; echo made > made.txt",
      work_dir: project.path,
    });
    const id = String(body.session_id);
    await readLog(daemon, id, { deadlineMs, enough: has("20") });
    await daemon.kill9();
    daemon = await startDaemon({ dataDir, args, env, deadlineMs: 60_000 });
    expect(textOf(await readLog(daemon, id, { deadlineMs }), "stdout")).toEqual(numbers(60));
    await isBack(id);
    expect((await readdir(project.path)).sort()).toEqual(["folder", "kept.txt", "made.txt"]);
    await daemon.stop();
    expect(await ssh.calls()).toMatch(
      /^-T -o BatchMode=yes -o ConnectTimeout=15 -o ServerAliveInterval=15 -o ServerAliveCountMax=3 -l \S+ -p \d+ -- engine\.test docker system dial-stdio$/m,
    );
    const serve = async (host: string) => {
      const words = ["serve", "--runtime", "docker", "--docker-host", host, "--data-dir", dataDir];
      const { exitCode, stderr } = await runCli(words, env);
      expect(exitCode).toBe(1);
      return stderr;
    };
    expect(await serve("ssh://elsewhere.test")).toMatch(/Could not resolve hostname elsewhere\.test.*BatchMode=yes/s);
    await ssh.forgetHost();
    expect(await serve(ssh.url)).toMatch(/Host key verification failed.*BatchMode=yes/s);
    await ssh.stop();
    expect(await serve(ssh.url)).toMatch(/Connection refused.*BatchMode=yes/s);
    await folder.remove();
  },
  deadlineMs,
);

test(
  "nothing is left there of sessions that are over, when the daemon has left",
  async () => {
    await shells.daemon.leave();
    const label = ["agentruntime.managed=1"];
    const { Volumes } = await engine.docker.listVolumes({ filters: { label } });
    expect(Volumes ?? []).toEqual([]);
    expect(await engine.docker.listContainers({ all: true, filters: { label } })).toEqual([]);
    expect(await engine.docker.listNetworks({ filters: { label } })).toEqual([]);
  },
  deadlineMs,
);

function containersOf(id: string) {
  return engine.docker.listContainers({ all: true, filters: { label: [`agentruntime.session_id=${id}`] } });
}

function volumesOf(id: string) {
  return engine.docker.listVolumes({ filters: { label: [`agentruntime.session_id=${id}`] } });
}

async function inContainer(id: string, command: string): Promise<void> {
  await said(id, command);
}

async function said(id: string, command: string): Promise<string> {
  const [container] = await containersOf(id);
  const exec = await engine.docker
    .getContainer(container?.Id ?? "")
    .exec({ Cmd: ["sh", "-c", command], AttachStdout: true });
  return readText(await exec.start({}));
}

/** What a person over there would do by hand: the volume is `/there`. */
async function onVolume(name: string, command: string): Promise<void> {
  const container = await engine.docker.createContainer({
    Image: "agentruntime-agent:latest",
    User: "0:0",
    Entrypoint: ["sh", "-c", command],
    HostConfig: { NetworkMode: "none", Binds: [`${name}:/there`] },
  });
  await container.start();
  await container.wait();
  await container.remove();
}
