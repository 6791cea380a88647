/** An engine on another machine that stops answering, and comes back: nobody waits for it for ever, and nothing is lost by it. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import type { LoggedEvent } from "../support/client-socket.ts";
import { type Shells, startShells, textOf } from "../support/docker-shell.ts";
import { eventually } from "../support/eventually.ts";
import { makeRemoteEngine, type RemoteEngine } from "../support/remote-engine.ts";
import { runCli, startDaemon } from "../support/start-daemon.ts";
import { tempDir } from "../support/temp-dir.ts";

const deadlineMs = 240_000;
let engine: RemoteEngine;
let shells: Shells;

beforeAll(async () => {
  engine = await makeRemoteEngine();
  shells = await startShells({
    settings: { host: engine.host, cert_path: engine.certificates, answer_timeout: "3s" },
    env: { DOCKER_HOST: undefined, DOCKER_CERT_PATH: undefined },
    args: ["--on-shutdown", "keep"],
  });
}, deadlineMs);

beforeEach(() => engine.speak());

afterAll(async () => {
  engine?.speak();
  await shells?.stopDaemon();
  await engine?.remove();
}, deadlineMs);

const has = (text: string) => (events: readonly LoggedEvent[]) =>
  events.some(({ type, data }) => type === "stdout" && data["text"] === text);

function containersOf(id: string) {
  return engine.docker.listContainers({ all: true, filters: { label: [`agentruntime.session_id=${id}`] } });
}

test(
  "a session is refused, and the refusal says which engine is silent and what to do",
  async () => {
    engine.hush();
    const refused = await shells.daemon.post("/sessions", { agent: "sh", prompt: "echo no" });
    expect(refused).toMatchObject({ status: 503, body: { error: "runtime_unavailable" } });
    expect(refused.body.message).toMatch(
      /^Cannot start the container of session ".*": the Docker engine at "tcp:.*" is away: it did not answer within 3 s\. See that it listens there/,
    );
    engine.speak();
    expect((await shells.run("echo again")).lines).toEqual(["again"]);
  },
  deadlineMs,
);

test(
  "a session that runs goes on, and each of its lines comes once when the engine is back",
  async () => {
    const id = await shells.start("for i in $(seq 300); do echo $i; sleep 0.1; done");
    await shells.log(id, has("10"));
    engine.hush();
    // Found silent: what is asked of it is refused at once from here on.
    await shells.daemon.post("/sessions", { agent: "sh", prompt: "echo no" });
    await eventually(() => shells.daemon.output().includes("is away"), { what: "the silence, told" });
    engine.speak();
    const events = await shells.log(id);
    expect(textOf(events, "stdout")).toEqual(Array.from({ length: 300 }, (_, index) => String(index + 1)));
    expect(events.at(-1)).toMatchObject({ type: "exit", data: { code: 0 } });
  },
  deadlineMs,
);

test(
  "a session that is deleted ends in the log and for its callers; its container goes when the engine is back",
  async () => {
    const id = await shells.start("echo ready; sleep 300");
    await shells.log(id, has("ready"));
    engine.hush();
    expect((await shells.daemon.delete(`/sessions/${id}`)).status).toBeLessThan(300);
    const log = await readFile(join(shells.daemon.dataDir, "sessions", id, "events.ndjson"), "utf8");
    expect(JSON.parse(log.trimEnd().split("\n").at(-1) ?? "")).toMatchObject({
      type: "exit",
      data: {
        error_category: "sidecar_lost",
        error_detail: expect.stringMatching(/was given up while its place was away: .*did not answer/),
      },
    });
    engine.speak();
    await eventually(async () => (await containersOf(id)).length === 0, {
      deadlineMs: 60_000,
      what: "the end of its container",
    });
  },
  deadlineMs,
);

test(
  "no daemon starts, and it says why; one that runs leaves in order, and the next takes its sessions over",
  async () => {
    const id = await shells.start(
      "echo ready; for i in $(seq 1200); do [ -e ~/go ] && break; sleep 0.1; done; echo over",
    );
    await shells.log(id, has("ready"));
    engine.hush();
    const folder = await tempDir();
    const args = ["serve", "--runtime", "docker", "--docker-host", engine.host];
    const { exitCode, stderr } = await runCli([...args, "--data-dir", join(folder.path, "data"), "--port", "0"], {
      DOCKER_CERT_PATH: engine.certificates,
    });
    await folder.remove();
    expect([exitCode, stderr]).toEqual([
      1,
      expect.stringMatching(/Cannot reach the Docker engine at "tcp.*did not answer/),
    ]);
    const { dataDir } = shells.daemon;
    expect((await shells.daemon.leave()).code).toBe(0);
    engine.speak();
    shells.daemon = await startDaemon({ dataDir });
    const [container] = await containersOf(id);
    const exec = await engine.docker.getContainer(container?.Id ?? "").exec({ Cmd: ["touch", "/home/agent/go"] });
    await exec.start({});
    const events = await shells.log(id);
    expect(textOf(events, "stdout")).toEqual(["ready", "over"]);
  },
  deadlineMs,
);
