/** `${HOST_GATEWAY}`: single services of this machine, each by a door of its own. */

import { readFile, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { hasResults, ofType, results } from "../support/claude-daemon.ts";
import { type DockerShell, denials, startDockerShell } from "../support/docker-shell.ts";
import { type HttpMcpServer, startMcpServer } from "../support/mcp-server.ts";
import { readLog } from "../support/read-log.ts";
import { type ScriptedModel, startScriptedModel } from "../support/scripted-model.ts";
import { startDaemon } from "../support/start-daemon.ts";

const deadlineMs = 120_000;
let shell: DockerShell;
let model: ScriptedModel;
let tools: HttpMcpServer;
/** Two services of this machine that answer alike; only the first is on the list. */
const [listed, other] = [
  createServer((client) => client.end("MARKER")),
  createServer((client) => client.end("MARKER")),
];
const portOf = (server: typeof listed) => {
  const address = server.address();
  return typeof address === "object" && address ? address.port : 0;
};

beforeAll(async () => {
  for (const server of [listed, other]) await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  tools = await startMcpServer({ token: "sesame" });
  model = await startScriptedModel();
  shell = await startDockerShell(["unused.test"], {
    config: {
      agents: {
        sh: { command: "bash", harness: "generic" },
        claude: { key_env: "OPERATORS_KEY", hide_key: true, base_url: model.url },
      },
      egress: {
        host_services: [
          { name: "tools", port: Number(new URL(tools.url).port) },
          { name: "marker", port: portOf(listed) },
        ],
      },
    },
    env: { OPERATORS_KEY: "any" },
  });
}, deadlineMs);

afterAll(async () => {
  await shell?.stop();
  await model?.close();
  await tools?.stop();
  for (const server of [listed, other]) server.close();
}, deadlineMs);

const read = (port: number) =>
  `python3 -c 'import socket;s=socket.create_connection(("127.0.0.1",${port}),4);print("READ",s.recv(99))' 2>&1 | tail -1`;

test(
  "Claude Code calls a tool of a server on this machine, with its token",
  async () => {
    const { port } = new URL(tools.url);
    const created = await shell.daemon.post("/sessions", {
      agent: "claude",
      prompt: '[[call:mcp__lab__weather {"city":"Rome"}]]',
      mcp_servers: [{ name: "lab", url: `http://\${HOST_GATEWAY}:${port}/mcp`, token: "sesame" }],
    });
    expect(created.status, created.text).toBe(201);
    const events = await readLog(shell.daemon, String(created.body.session_id), { deadlineMs, enough: hasResults(1) });
    expect(results(events)).toEqual([{ turn: "t1", status: "success" }]);
    expect(JSON.stringify(ofType(events, "tool_result"))).toContain("mild in Rome");
    expect(tools.calls).toEqual(["Rome"]);
  },
  deadlineMs,
);

test("a service that the request names is reached; another one of this machine, and by who did not name it, is not", async () => {
  const script = `${read(portOf(listed))}; ${read(portOf(other))}`;
  const { lines } = await shell.run(script, { egress: { host_services: ["marker"] } });
  expect(lines[0]).toBe("READ b'MARKER'");
  expect(lines[1]).not.toContain("MARKER");
  expect((await shell.run(script)).lines.join()).not.toContain("MARKER");
});

test("what is on no list is refused before anything is started, naming the setting", async () => {
  for (const asked of [
    { mcp_servers: [{ name: "lab", url: `http://\${HOST_GATEWAY}:${portOf(other)}/mcp` }] },
    { egress: { host_services: ["nobody"] } },
  ]) {
    const { status, body } = await shell.daemon.post("/sessions", { agent: "claude", prompt: "hello", ...asked });
    expect([status, body.error]).toEqual([403, "not_permitted"]);
    expect(body.message).toContain("egress.host_services");
  }
});

test("the next daemon opens the doors again; what the operator took off the list is refused then, and told", async () => {
  const wait = (file: string) => `for i in $(seq 300); do [ -e /home/agent/${file} ] && break; sleep 0.1; done`;
  const id = await shell.start(
    `${read(portOf(listed))}; ${wait("second")}; ${read(portOf(listed))}; ${wait("third")}; ${read(portOf(listed))}; sleep 1`,
    { egress: { host_services: ["marker"] } },
  );
  const { dataDir } = shell.daemon;
  const go = (file: string) => writeFile(join(dataDir, "sessions", id, "home", file), "");
  const outputs = (count: number) => shell.log(id, (events) => ofType(events, "stdout").length >= count);
  await outputs(1);
  await shell.daemon.kill9();
  shell.daemon = await startDaemon({ dataDir, env: { OPERATORS_KEY: "any" } });
  await go("second");
  await outputs(2);
  await shell.daemon.kill9();
  const file = join(dataDir, "config-of-test.json");
  const config = JSON.parse(await readFile(file, "utf8"));
  await writeFile(file, JSON.stringify({ ...config, egress: { host_services: [] } }));
  shell.daemon = await startDaemon({ dataDir, env: { OPERATORS_KEY: "any" } });
  await go("third");
  const events = await shell.log(id);
  const seen = ofType(events, "stdout").map(({ text }) => text);
  expect(seen.slice(0, 2)).toEqual(["READ b'MARKER'", "READ b'MARKER'"]);
  expect(seen.slice(2).join()).not.toContain("MARKER");
  expect(denials(events)).toEqual([{ host: "127.0.0.1", port: portOf(listed), reason: "host_service" }]);
});
