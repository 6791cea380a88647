/** `agentd egress reload`: what sessions may reach is changed while they run. */

import { readdir, readFile, writeFile } from "node:fs/promises";
import { createServer, type Server, type ServerResponse } from "node:http";
import { join } from "node:path";
import { execa } from "execa";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { LoggedEvent } from "../support/client-socket.ts";
import { type DockerShell, denials, startDockerShell, textOf } from "../support/docker-shell.ts";
import { eventually } from "../support/eventually.ts";
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

test(
  "a list that cannot be written for one session is changed for none, and neither is the proxy's way out",
  async () => {
    const ids: string[] = [];
    for (const _ of [1, 2])
      ids.push(await shell.start(`${wait("fourth")}; ${curl("second.test")}; ${curl("first.test")}`));
    const folder = join(shell.daemon.dataDir, "egress");
    const owners = new Map<string, string>();
    for (const name of await readdir(folder)) owners.set(await readFile(join(folder, name), "utf8"), name);
    const files = ids.map((id) => join(folder, [...owners].find(([text]) => text.includes(id))?.[1] ?? ""));
    const texts = async () => Promise.all(files.map((path) => readFile(path, "utf8")));
    const before = await texts();
    const wayOut = () => readFile(join(shell.daemon.dataDir, "egress-way-out", "way-out.conf"), "utf8");
    const wayBefore = await wayOut();
    // Nothing can be put in the place of what is mounted on; the other one could be changed.
    const [, last = ""] = files;
    await execa("mount", ["--bind", last, last]);
    try {
      await shell.configure({ egress: { allow: ["first.test"], upstream_proxy: "http://198.51.100.99:1" } });
      const { exitCode, stderr } = await shell.daemon.cli("egress", "reload");
      expect(exitCode).not.toBe(0);
      expect(stderr).toMatch(/Cannot write what sessions may reach: EBUSY.*All is as it was/);
      expect([await texts(), await wayOut()]).toEqual([before, wayBefore]);
      expect((await readdir(folder)).sort()).toEqual([...owners.values()].sort());
      // Nor is it for those that begin now.
      expect((await shell.run(curl("second.test"))).lines).toEqual(["MARKER second.test 0"]);
    } finally {
      await execa("umount", [last]);
    }
    await shell.configure({ egress: { allow: ["second.test"] } });
    expect((await shell.daemon.post("/egress/reload")).body).toMatchObject({ changes: [], changed_sessions: [] });
    for (const id of ids) {
      await go(id, "fourth");
      const lines = textOf(await shell.log(id), "stdout");
      expect(lines.filter((line) => line.startsWith("MARKER"))).toEqual(["MARKER second.test 0"]);
    }
  },
  deadlineMs,
);

test("reloads at once are done one after the other, and one of them names what changed", async () => {
  const id = await shell.start(`echo begun; ${wait("fifth")}`);
  // One that comes up between two of them is changed by the second, and one that ends is there a moment longer than its log.
  await shell.log(id, has("begun"));
  await eventually(async () => (await shell.daemon.post("/egress/reload")).body.sessions.join() === id, {
    what: "this one alone",
  });
  await shell.configure({ egress: { allow: ["second.test", "first.test"], permit: ["asked.test"] } });
  const answers = await Promise.all(Array.from({ length: 5 }, () => shell.daemon.post("/egress/reload")));
  expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 200, 200]);
  const told = answers.map(({ body: { changes, changed_sessions } }) => ({ changes, changed_sessions }));
  const nothing = { changes: [], changed_sessions: [] };
  const all = {
    changes: [
      { setting: "allow", added: ["first.test"], removed: [] },
      { setting: "permit", added: ["asked.test"], removed: [] },
    ],
    changed_sessions: [id],
  };
  expect(told.filter(({ changes }) => changes.length > 0)).toEqual([all]);
  expect(told.filter(({ changes }) => changes.length === 0)).toEqual([nothing, nothing, nothing, nothing]);
  await shell.configure({ egress: { allow: ["second.test"] } });
  const { stdout } = await shell.daemon.cli("egress", "reload");
  expect(stdout).toMatch(new RegExp(`changed +allow\\(-first\\.test\\) permit\\(-asked\\.test\\)\nchanged for +${id}`));
  await go(id, "fifth");
  await shell.log(id);
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

test("a container whose session cannot be read keeps its network, the proxy and its list; the session is there once it can", async () => {
  await shell.configure({ egress: { allow: ["second.test"] } });
  await shell.daemon.post("/egress/reload");
  const id = await shell.start(
    `${curl("second.test")}; ${wait("sixth")}; ${curl("second.test")}; ${curl("first.test")}`,
  );
  await shell.log(id, has("MARKER second.test 0"));
  const { dataDir } = shell.daemon;
  const path = join(dataDir, "sessions", id, "session.json");
  const record = await readFile(path, "utf8");
  await shell.daemon.kill9();
  await writeFile(path, "{");
  shell.daemon = await startDaemon({ dataDir });
  expect((await shell.daemon.get(`/sessions/${id}`)).body.unreadable).toContain(path);
  // It leaves in order, and takes with it what no session needs.
  await shell.daemon.stop();
  await writeFile(path, record);
  shell.daemon = await startDaemon({ dataDir });
  await go(id, "sixth");
  const lines = textOf(await shell.log(id), "stdout").filter((line) => /\.test \d+$/.test(line));
  expect([lines.slice(0, 2), lines[2]]).toEqual([
    ["MARKER second.test 0", "MARKER second.test 0"],
    expect.not.stringMatching(/ 0$/),
  ]);
});

test("a list that is tightened holds for a session that nobody attends to", async () => {
  await shell.configure({ egress: { allow: ["second.test", "first.test"] } });
  await shell.daemon.post("/egress/reload");
  const id = await shell.start(
    `${curl("first.test")}; ${wait("seventh")}; ${curl("first.test")}; ${curl("second.test")}`,
  );
  await shell.log(id, has("MARKER first.test 0"));
  const { dataDir } = shell.daemon;
  const path = join(dataDir, "sessions", id, "session.json");
  await shell.daemon.kill9();
  const record = JSON.parse(await readFile(path, "utf8"));
  await writeFile(path, JSON.stringify({ ...record, sidecar: { ...record.sidecar, protocol: 99 } }));
  shell.daemon = await startDaemon({ dataDir });
  expect((await shell.daemon.get(`/sessions/${id}`)).body.unreadable).toContain("another version's");
  await shell.configure({ egress: { allow: ["second.test"] } });
  expect((await shell.daemon.post("/egress/reload")).body).toMatchObject({ changed_sessions: [id] });
  await shell.daemon.kill9();
  await writeFile(path, JSON.stringify(record));
  await go(id, "seventh");
  shell.daemon = await startDaemon({ dataDir });
  const lines = textOf(await shell.log(id), "stdout").filter((line) => /\.test \d+$/.test(line));
  expect([lines[0], lines[1], lines[2]]).toEqual([
    "MARKER first.test 0",
    expect.not.stringMatching(/ 0$/),
    "MARKER second.test 0",
  ]);
});
