/** The worked example of docs/exposing.md, as it stands there but for places and ports. */
import { readFileSync } from "node:fs";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { request } from "node:https";
import { createServer } from "node:net";
import { join } from "node:path";
import { execa } from "execa";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ClientSocket } from "../support/client-socket.ts";
import { eventually } from "../support/eventually.ts";
import { inPath } from "../support/in-path.ts";
import { type Daemon, startDaemon } from "../support/start-daemon.ts";
import { type TempDir, tempDir } from "../support/temp-dir.ts";
import { fixture } from "./attacks/ground.ts";

const page = readFileSync(new URL("../../docs/exposing.md", import.meta.url), "utf8");
const block = (language: string) => new RegExp(`\`\`\`${language}\\n([\\s\\S]*?)\`\`\``).exec(page)?.[1] ?? "";
const name = "agents.example.com";
const nginxPath = inPath(["nginx"]);

describe.skipIf(nginxPath === undefined)("behind nginx, as docs/exposing.md has it,", () => {
  let dir: TempDir;
  let daemon: Daemon;
  let port: number;
  let nginx: ReturnType<typeof startNginx>;
  let certificate: Buffer;
  beforeAll(async () => {
    dir = await tempDir();
    const { listen: _listen, ...settings } = JSON.parse(block("json"));
    daemon = await startDaemon({ config: { ...settings, agents: { echo: fixture("echo") } } });
    port = await freePort();
    certificate = await makeCertificate(dir.path);
    nginx = startNginx(dir.path, await configured({ dir: dir.path, port, daemon: new URL(daemon.url).host }));
    await eventually(() => ask("/health/live"), { what: "nginx" });
  });
  afterAll(async () => {
    nginx?.kill("SIGQUIT");
    await nginx;
    await daemon?.stop();
    await dir?.remove();
  });

  interface Told {
    status: number;
    text: string;
    error: string | undefined;
  }

  function ask(path: string, headers: Record<string, string> = {}, body?: string): Promise<Told> {
    return new Promise((resolve, reject) => {
      const options = { host: "127.0.0.1", port, path, ca: certificate, servername: name, agent: false };
      const sent = request(
        { ...options, method: body === undefined ? "GET" : "POST", headers: { host: name, ...headers } },
        (response) => {
          let text = "";
          response.on("data", (chunk) => {
            text += chunk;
          });
          response.on("end", () => {
            const error = text.startsWith("{") ? JSON.parse(text).error : undefined;
            resolve({ status: response.statusCode ?? 0, text, error });
          });
        },
      );
      sent.on("error", reject);
      sent.end(body);
    });
  }

  const withToken = () => ({ authorization: `Bearer ${daemon.token}` });

  test("the token is asked for, and the daemon knows the name", async () => {
    expect(await ask("/sessions")).toMatchObject({ status: 401, error: "unauthorized" });
    expect(await ask("/sessions", withToken())).toMatchObject({ status: 200, text: "[]" });
  });

  test("a page of that name may call, one of another may not", async () => {
    expect(await ask("/sessions", { ...withToken(), origin: `https://${name}` })).toMatchObject({ status: 200 });
    expect(await ask("/sessions", { ...withToken(), origin: "https://evil.example" })).toMatchObject({
      status: 403,
      error: "forbidden_origin",
    });
  });

  test("whoever names another host gets no answer", async () => {
    const asked = execa("openssl", ["s_client", "-connect", `127.0.0.1:${port}`, "-servername", "other.example"], {
      input: "",
      reject: false,
    });
    expect((await asked).stderr).toMatch(/unrecognized name|alert/);
  });

  test("a WebSocket and server-sent events come through as they are said", async () => {
    const json = { ...withToken(), "content-type": "application/json" };
    const made = await ask("/sessions", json, JSON.stringify({ agent: "echo", interactive: true, prompt: "hello" }));
    const { session_id } = JSON.parse(made.text);
    const url = `wss://127.0.0.1:${port}/ws/sessions/${session_id}?since=0`;
    const tls = { ca: certificate, servername: name };
    const socket = await ClientSocket.open(url, { ...tls, headers: { host: name, ...withToken() } });
    await socket.event(({ data }) => data["text"] === "echo: hello");
    const heard = stream(`/sessions/${session_id}/events?since=0`);
    await eventually(() => heard.text().includes("echo: hello"));
    socket.send({ type: "prompt", data: "and again" });
    // Each by itself, not when some buffer is full.
    await eventually(() => heard.text().includes("echo: and again"));
    heard.end();
    await socket.close();
    await daemon.delete(`/sessions/${session_id}`);
  });

  function stream(path: string): { text(): string; end(): void } {
    let text = "";
    const options = { host: "127.0.0.1", port, path, ca: certificate, servername: name, agent: false };
    const sent = request({ ...options, headers: { host: name, ...withToken() } }, (response) => {
      response.on("data", (chunk) => {
        text += chunk;
      });
      // It is us who leave.
      response.on("error", () => undefined);
    });
    sent.on("error", () => undefined);
    sent.end();
    return { text: () => text, end: () => sent.destroy() };
  }

  test("no query stands in its log", async () => {
    await ask("/sessions?ticket=told-to-a-proxy", withToken());
    const log = await eventually(async () => {
      const text = await readFile(join(dir.path, "agentd.log"), "utf8");
      return text.includes('"GET /sessions" 200') && text;
    });
    expect(log).not.toContain("told-to-a-proxy");
  });
});

function startNginx(dir: string, file: string) {
  return execa(nginxPath ?? "", ["-p", dir, "-c", file, "-e", join(dir, "error.log")], {
    reject: false,
    stdin: "ignore",
  });
}

/** The page's own words, in a file that nginx takes, with its places below a folder of the test's. */
async function configured({ dir, port, daemon }: { dir: string; port: number; daemon: string }): Promise<string> {
  const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map(
    (kind) => `${kind}_temp_path ${join(dir, kind)};`,
  );
  const own = block("nginx")
    .replaceAll("listen 443", `listen 127.0.0.1:${port}`)
    .replace("127.0.0.1:8090", daemon)
    .replaceAll("/etc/ssl/", `${dir}/`)
    .replace("/var/log/nginx/", `${dir}/`);
  const file = join(dir, "nginx.conf");
  await writeFile(
    file,
    `daemon off;\nmaster_process off;\npid ${join(dir, "nginx.pid")};\nevents {}\nhttp {\n${temporary.join("\n")}\n${own}\n}\n`,
  );
  return file;
}

async function makeCertificate(dir: string): Promise<Buffer> {
  await mkdir(dir, { recursive: true });
  const [key, pem] = [join(dir, `${name}.key`), join(dir, `${name}.pem`)];
  const subject = ["-subj", `/CN=${name}`, "-addext", `subjectAltName=DNS:${name}`];
  const how = ["-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"];
  await execa("openssl", ["req", ...how, ...subject, "-keyout", key, "-out", pem]);
  return readFile(pem);
}

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const probe = createServer().listen(0, "127.0.0.1", () => {
      const address = probe.address();
      probe.close(() => resolve(typeof address === "object" && address ? address.port : 0));
    });
  });
}
