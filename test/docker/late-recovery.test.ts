/** A start at which the engine cannot do for a healthy session what it should: that is no damage of the session's. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { type DockerShell, startDockerShell, textOf } from "../support/docker-shell.ts";
import { agentdContainers, engine } from "../support/docker-world.ts";
import { eventually } from "../support/eventually.ts";
import { startDaemon } from "../support/start-daemon.ts";

const image = "agentruntime-proxy-late:test";
const deadlineMs = 120_000;
let shell: DockerShell;

const lend = () => engine.getImage("agentruntime-proxy:latest").tag({ repo: "agentruntime-proxy-late", tag: "test" });

beforeAll(async () => {
  await lend();
  shell = await startDockerShell(["any.test"], { settings: { proxy_image: image } });
}, deadlineMs);

afterAll(async () => {
  await shell?.stop();
  await engine.getImage(image).remove();
}, deadlineMs);

test(
  "a session whose proxy cannot be made at the start is taken over when it can be, and no line is lost",
  async () => {
    const id = await shell.start(
      "echo ready; for i in $(seq 1200); do [ -e ~/go ] && break; sleep 0.1; done; echo over",
    );
    await shell.log(id, (events) => textOf(events, "stdout").includes("ready"));
    const { dataDir } = shell.daemon;
    const [own] = await agentdContainers(id);
    await shell.daemon.kill9();
    const label = ["agentruntime.role=proxy", `agentruntime.daemon=${own?.Labels["agentruntime.daemon"]}`];
    for (const { Id } of await engine.listContainers({ all: true, filters: { label } }))
      await engine.getContainer(Id).remove({ force: true });
    await engine.getImage(image).remove();
    shell.daemon = await startDaemon({ dataDir });
    expect((await shell.daemon.get(`/sessions/${id}`)).body).toMatchObject({
      status: "orphaned",
      unreadable: expect.stringMatching(
        /its runtime did not say what became of it: .*no image.*It is tried again every/,
      ),
    });
    await lend();
    await eventually(async () => (await shell.daemon.get(`/sessions/${id}`)).body.unreadable === undefined, {
      what: "the session, taken over",
      deadlineMs: 60_000,
    });
    const exec = await engine.getContainer(own?.Id ?? "").exec({ Cmd: ["touch", "/home/agent/go"] });
    await exec.start({});
    expect(textOf(await shell.log(id), "stdout")).toEqual(["ready", "over"]);
  },
  deadlineMs,
);
