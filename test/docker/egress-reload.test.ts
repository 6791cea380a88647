/** `agentd egress reload`: what sessions may reach is changed while they run. */

import { writeFile } from "node:fs/promises";
import { createServer, type Server, type ServerResponse } from "node:http";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { LoggedEvent } from "../support/client-socket.ts";
import { type DockerShell, denials, startDockerShell, textOf } from "../support/docker-shell.ts";
import { startDaemon } from "../support/start-daemon.ts";

const deadlineMs = 120_000;
/** Answers for as long as the test wants. */
let open: ServerResponse | undefined;
const server: Server = createServer((_, answer) => {
  open = answer.writeHead(200, { "content-type": "text/plain" });
  open.write("before\n");
});
let shell: DockerShell;

beforeAll(async () => {
  shell = await startDockerShell(["open.test", "first.test", "second.test", "asked.test"], {
    config: { egress: { allow: ["open.test", "first.test"], permit: ["asked.test"] } },
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  await shell.world.serve("open.test", `http://127.0.0.1:${typeof address === "object" && address ? address.port : 0}`);
}, deadlineMs);

afterAll(async () => {
  await shell?.stop();
  server.close();
}, deadlineMs);

const curl = (name: string) => `curl -sk -m 15 https://${name}/; echo " ${name} $?"`;
const has = (text: string) => (events: readonly LoggedEvent[]) =>
  events.some(({ type, data }) => type === "stdout" && data["text"] === text);
/** In a session's home on this machine, which its container sees. */
const go = (id: string, step: string) => writeFile(join(shell.daemon.dataDir, "sessions", id, "home", step), "");
const wait = (step: string) => `for i in $(seq 600); do [ -e /home/agent/${step} ] && break; sleep 0.1; done`;
const look = ["first.test", "second.test", "asked.test"].map(curl).join("; ");

test(
  "a changed list holds for the next tunnels of a session that runs, and a tunnel that is open goes on",
  async () => {
    const id = await shell.start(
      `curl -skN -m 90 https://open.test/ & sleep 0.1; ${look}; ${wait("second")}; ${look}; ${curl("open.test")}; touch /home/agent/over; wait; sleep 1`,
      { egress: { allow: ["asked.test"] } },
    );
    await shell.log(id, (events) => has("before")(events) && has("MARKER asked.test 0")(events));
    await shell.configure({ egress: { allow: ["second.test"], permit: [] } });
    const { exitCode, stdout } = await shell.daemon.cli("egress", "reload");
    expect(exitCode).toBe(0);
    expect(stdout).toMatch(new RegExp(`allow +second\\.test\\n[^]*in force for +${id}`));
    await go(id, "second");
    await shell.log(id, (events) => events.some(({ data }) => /open\.test [1-9]/.test(String(data["text"]))));
    open?.end("after\n");
    const events = await shell.log(id);
    const lines = textOf(events, "stdout");
    expect(lines.filter((line) => line.startsWith("MARKER"))).toEqual([
      "MARKER first.test 0",
      "MARKER asked.test 0",
      "MARKER second.test 0",
    ]);
    expect(lines.at(-1)).toBe("after");
    const [before, after] = [denials(events).slice(0, 1), denials(events).slice(1)];
    expect(before.map(({ host }) => host)).toEqual(["second.test"]);
    expect(after.map(({ host }) => host)).toEqual(["first.test", "asked.test", "open.test"]);
  },
  deadlineMs,
);

test("sessions that begin after it have the new list", async () => {
  expect((await shell.run(curl("second.test"))).lines).toEqual(["MARKER second.test 0"]);
  const refused = { agent: "sh", prompt: "true", egress: { allow: ["asked.test"] } };
  expect((await shell.daemon.post("/sessions", refused)).body.error).toBe("not_permitted");
});

test("a file that cannot be used changes nothing, and whoever asked hears why", async () => {
  await shell.configure({ egress: { allow: ["*"] } });
  const { exitCode, stderr } = await shell.daemon.cli("egress", "reload");
  expect([exitCode === 0, stderr]).toEqual([false, expect.stringContaining("expected a host name")]);
  expect((await shell.run(curl("second.test"))).lines).toEqual(["MARKER second.test 0"]);
});

test("what changed while no daemon ran holds for the sessions that the next one finds", async () => {
  await shell.configure({ egress: { allow: ["second.test"] } });
  const id = await shell.start(
    `${curl("second.test")}; ${wait("third")}; ${curl("second.test")}; ${curl("first.test")}`,
  );
  await shell.log(id, has("MARKER second.test 0"));
  await shell.daemon.kill9();
  await shell.configure({ egress: { allow: ["first.test"] } });
  shell.daemon = await startDaemon({ dataDir: shell.daemon.dataDir });
  await go(id, "third");
  const lines = textOf(await shell.log(id), "stdout");
  expect(lines.filter((line) => line.startsWith("MARKER"))).toEqual(["MARKER second.test 0", "MARKER first.test 0"]);
});
