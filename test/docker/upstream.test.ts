/** A network that has one way out: a proxy with a password, and servers whose certificates an authority of the company signed. */
import { mkdir, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { hasResults, results } from "../support/claude-daemon.ts";
import { codexModel } from "../support/codex-daemon.ts";
import { type CorporateNetwork, startCorporateNetwork } from "../support/corporate-network.ts";
import { denials, type Shells, startShells } from "../support/docker-shell.ts";
import { agentdContainers, type DockerWorld, engine, startDockerWorld } from "../support/docker-world.ts";
import { eventually } from "../support/eventually.ts";
import { readLog } from "../support/read-log.ts";
import { type ScriptedModel, startScriptedModel } from "../support/scripted-model.ts";
import { type ScriptedResponses, startScriptedResponses } from "../support/scripted-responses.ts";
import { type TempDir, tempDir } from "../support/temp-dir.ts";
import { claudeLogin, startTokenEndpoint, type TokenEndpoint } from "../support/token-endpoint.ts";

const [messages, responses, auth, code] = ["api.anthropic.test", "api.openai.test", "auth.test", "code.test"];
const names = [messages, responses, auth, code, "allowed.test", "blocked.test", "unlisted.test", "inside.test"];
const deadlineMs = 180_000;
const commit = "0123456789abcdef0123456789abcdef01234567";

let world: DockerWorld;
let office: CorporateNetwork;
let folder: TempDir;
let shells: Shells;
let models: { claude: ScriptedModel; codex: ScriptedResponses };
let endpoint: TokenEndpoint;
let repository: Server;
/** Answers when the test says so. */
let slow: { url: string; say(text: string): void; server: Server };

beforeAll(async () => {
  world = await startDockerWorld(names);
  office = await startCorporateNetwork(world, { refused: ["blocked.test"] });
  folder = await tempDir();
  models = { claude: await startScriptedModel(), codex: await startScriptedResponses() };
  endpoint = await startTokenEndpoint();
  // What git asks a server for that knows no more than files.
  repository = createServer((request, answer) => {
    const body = request.url?.startsWith("/x.git/info/refs") ? `${commit}\trefs/heads/main\n` : "";
    answer.writeHead(body ? 200 : 404, { "content-type": "text/plain" }).end(body);
  });
  slow = await slowServer();
  await world.serve(messages, models.claude.url);
  await world.serve(responses, models.codex.url);
  await world.serve(auth, endpoint.url);
  await world.serve(code, await urlOf(repository));
  await mkdir(folder.path, { recursive: true });
  const login = join(folder.path, "claude.json");
  await writeFile(login, JSON.stringify(claudeLogin({ refresh: endpoint.refreshToken, expiresAt: Date.now() - 1000 })));
  const agent = (host: string) => ({ key_env: "OPERATORS_KEY", base_url: `https://${host}` });
  const logged = { login, login_token_url: `https://${auth}/oauth/token`, harness: "claude" };
  shells = await startShells({
    // The proxy's own images and engine; nothing of the world but the company's network.
    settings: { host: world.config.docker["host"], egress_network: office.name },
    config: {
      agents: {
        sh: { command: "bash", harness: "generic" },
        claude: agent(messages),
        codex: agent(responses),
        opencode: agent(messages),
        hidden: { ...agent(messages), command: "claude", harness: "claude", hide_key: true },
        logged: { ...logged, command: "claude", base_url: `https://${messages}` },
      },
      egress: egress(),
    },
    env: { OPERATORS_KEY: "the-operators-key", HTTPS_PROXY: undefined, https_proxy: undefined },
  });
}, deadlineMs);

afterAll(async () => {
  await shells?.stopDaemon();
  for (const one of [...Object.values(models ?? {}), endpoint]) await one?.close();
  for (const server of [repository, slow?.server]) server?.close();
  await office?.remove();
  await world?.stop();
  await folder?.remove();
}, deadlineMs);

function egress(more: Record<string, unknown> = {}) {
  return {
    allow: ["allowed.test", "blocked.test", "inside.test", code],
    upstream_proxy: office.proxyUrl,
    ca_certificates: [world.config.docker["ca_file"]],
    ...more,
  };
}

const curl = (url: string) => `curl -s -m 20 '${url}'; echo " code $?"`;

test("curl, Node, Python and git reach a server by the corporate proxy, and trust its authority besides the public ones", async () => {
  const { lines } = await shells.run(
    [
      curl("https://allowed.test/"),
      `node -e 'fetch("https://allowed.test/").then((r) => r.text()).then((text) => console.log("node", text))'`,
      `python3 -c 'import urllib.request as u; print("python", u.urlopen("https://allowed.test/", timeout=20).read().decode())'`,
      `git ls-remote https://${code}/x.git`,
      `echo $(( $(grep -c BEGIN "$SSL_CERT_FILE") > 50 ))`,
    ].join("\n"),
  );
  expect(lines).toEqual(["MARKER code 0", "node MARKER", "python MARKER", `${commit}\trefs/heads/main`, "1"]);
  expect(await office.requests()).toContainEqual({ line: "CONNECT allowed.test:443 HTTP/1.1", status: 200 });
});

describe.each([
  ["claude", messages],
  ["codex", responses],
  ["opencode", messages],
])("%s", (agent, host) => {
  test("reaches its model by the corporate proxy", { timeout: deadlineMs }, async () => {
    const before = (await office.requests()).length;
    const events = await firstTurn(agent);
    expect(results(events)).toEqual([{ turn: "t1", status: "success" }]);
    const added = (await office.requests()).slice(before);
    expect(added).toContainEqual({ line: `CONNECT ${host}:443 HTTP/1.1`, status: 200 });
  });
});

test("a key keeper reaches the model by it too, and so does the renewal of a login", {
  timeout: deadlineMs,
}, async () => {
  expect(results(await firstTurn("hidden"))).toEqual([{ turn: "t1", status: "success" }]);
  expect(models.claude.requests.at(-1)?.headers["x-api-key"]).toBe("the-operators-key");
  expect(results(await firstTurn("logged"))).toEqual([{ turn: "t1", status: "success" }]);
  expect(endpoint.renewals).toHaveLength(1);
  const asked = (await office.requests()).map(({ line }) => line);
  expect(asked).toContain(`CONNECT ${auth}:443 HTTP/1.1`);
});

test("what the corporate proxy refuses is told in the session, and so is what never gets there", async () => {
  const { lines, events } = await shells.run(
    [curl("https://blocked.test/"), curl("https://unlisted.test/"), "sleep 2"].join("\n"),
  );
  expect(lines.join()).not.toContain("MARKER");
  expect(denials(events)).toEqual([
    { host: "blocked.test", port: 443, reason: "upstream" },
    { host: "unlisted.test", port: 443, reason: "name" },
  ]);
  expect((await office.requests()).filter(({ line }) => line.includes("unlisted.test"))).toEqual([]);
});

test("a name that resolves to a private address here is refused here, whatever the corporate proxy would make of it", async () => {
  // That a name has no address is remembered for some seconds.
  const id = await shells.start(
    `for i in $(seq 60); do curl -s -m 20 https://inside.test/ || break; echo; sleep 1; done; sleep 2`,
  );
  const [container] = await agentdContainers(id);
  const network = engine.getNetwork(Object.keys(container?.NetworkSettings.Networks ?? {})[0] ?? "");
  const front = `${world.network}-front`;
  await shells.log(id, (events) => events.some(({ data }) => data["text"] === "MARKER"));
  await network.connect({ Container: front, EndpointConfig: { Aliases: ["inside.test"] } });
  try {
    const events = await shells.log(id);
    expect(denials(events)).toEqual([{ host: "inside.test", port: 443, reason: "range" }]);
  } finally {
    await network.disconnect({ Container: front, Force: true });
  }
});

test("the password is in nothing that the engine or the daemon shows", async () => {
  const id = await shells.start("sleep 60");
  const shown = [JSON.stringify(await shells.daemon.get("/health")), shells.daemon.output()];
  for (const { Id } of await agentdContainers()) shown.push(JSON.stringify(await engine.getContainer(Id).inspect()));
  shown.push((await shells.daemon.cli("egress", "reload", "--json")).stdout);
  for (const spelling of [office.password, encodeURIComponent(office.password), "w%25rd", "w%rd"])
    expect(shown.join("\n")).not.toContain(spelling);
  await shells.daemon.delete(`/sessions/${id}`);
});

test("audit lets no name pass that has no address here: nobody could tell where it leads", async () => {
  await reload(egress({ mode: "audit" }));
  try {
    const { lines, events } = await shells.run(
      `${curl("https://unlisted.test/")}; ${curl("https://allowed.test/")}; sleep 2`,
    );
    expect(lines[0]).not.toContain("MARKER");
    expect(lines.at(-1)).toBe("MARKER code 0");
    expect(denials(events)).toEqual([{ host: "unlisted.test", port: 443, reason: "range" }]);
  } finally {
    await reload(egress());
  }
});

test("another password for the corporate proxy holds from the next tunnel on, and an open one stays", async () => {
  await world.serve("allowed.test", slow.url);
  const id = await shells.start(
    `curl -sN -m 60 https://allowed.test/ & for i in $(seq 300); do [ -e go ] && break; sleep 0.1; done; ${curl(`https://${code}/`)}; touch gone; wait; sleep 1`,
  );
  const [container] = await agentdContainers(id);
  const inside = (command: string) => async () => {
    const exec = await engine
      .getContainer(container?.Id ?? "")
      .exec({ Cmd: ["sh", "-c", command], AttachStdout: true });
    const stream = await exec.start({});
    await new Promise((resolve) => stream.on("end", resolve).resume());
    return (await exec.inspect()).ExitCode === 0;
  };
  slow.say("before\n");
  await shells.log(id, (events) => events.some(({ data }) => data["text"] === "before"));
  const wrong = office.proxyUrl.replace(/:[^:@]*@/, ":wrong@");
  await reload(egress({ upstream_proxy: wrong }));
  try {
    await inside("touch /workspace/go")();
    await eventually(inside("test -e /workspace/gone"), { deadlineMs: 30_000, what: "the second request's end" });
    slow.say("after\n");
    const events = await shells.log(id);
    const text = events.filter(({ type }) => type === "stdout").map(({ data }) => data["text"]);
    expect(text.at(-1)).toBe("after");
    expect(denials(events)).toEqual([{ host: code, port: 443, reason: "upstream" }]);
    expect((await office.requests()).at(-1)).toEqual({ line: `CONNECT ${code}:443 HTTP/1.1`, status: 407 });
  } finally {
    await reload(egress());
  }
  expect((await shells.run(curl(`https://${code}/x.git/info/refs`))).lines.join()).toContain(commit);
});

async function reload(settings: Record<string, unknown>): Promise<void> {
  await shells.configure({ egress: settings });
  const { status, text } = await shells.daemon.post("/egress/reload");
  expect(status, text).toBe(200);
}

async function firstTurn(agent: string) {
  const { status, body, text } = await shells.daemon.post("/sessions", {
    agent,
    interactive: true,
    prompt: "hello",
    ...(agent === "codex" ? { model: codexModel } : {}),
  });
  expect(status, text).toBe(201);
  const id = String(body.session_id);
  const events = await readLog(shells.daemon, id, { enough: hasResults(1), deadlineMs });
  await shells.daemon.delete(`/sessions/${id}`);
  return events;
}

async function urlOf(server: Server): Promise<string> {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  return `http://127.0.0.1:${typeof address === "object" && address ? address.port : 0}`;
}

/** One answer that goes on for as long as the test does; it ends with `after`. */
async function slowServer() {
  const said: string[] = [];
  let tell: () => void = () => undefined;
  const server = createServer(async (_, answer) => {
    answer.writeHead(200, { "content-type": "text/plain" });
    for (let at = 0; said[at - 1] !== "after\n"; at++) {
      while (said[at] === undefined) {
        await new Promise<void>((resolve) => {
          tell = resolve;
        });
      }
      answer.write(said[at]);
    }
    answer.end();
  });
  return {
    server,
    url: await urlOf(server),
    say: (text: string) => {
      said.push(text);
      tell();
    },
  };
}
