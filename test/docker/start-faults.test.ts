/** What of the engine fails while a daemon starts and is no reason not to serve. */
import { request as ask, createServer } from "node:http";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { dockerHost } from "../support/docker-world.ts";
import { startDaemon } from "../support/start-daemon.ts";
import { tempDir } from "../support/temp-dir.ts";

/** The engine, but for what a word of the path says while it is broken. */
async function brokenEngine(word: string) {
  const folder = await tempDir();
  onTestFinished(folder.remove);
  const socket = join(folder.path, "engine.sock");
  const broken = { is: true };
  const server = createServer((request, response) => {
    const { url: path, method, headers } = request;
    if (broken.is && path?.includes(word)) {
      response.writeHead(500, { "content-type": "application/json" }).end('{"message":"its disk does not answer"}');
      return;
    }
    const asked = ask({ socketPath: dockerHost.replace("unix://", ""), path, method, headers }, (answer) => {
      response.writeHead(answer.statusCode ?? 500, answer.headers);
      answer.pipe(response);
    });
    request.pipe(asked);
  });
  await new Promise<void>((resolve) => server.listen(socket, resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return { host: `unix://${socket}`, broken };
}

test("a daemon that cannot look for leftovers at its start serves all the same, and says so", async () => {
  const { host, broken } = await brokenEngine("session-network");
  const daemon = await startDaemon({ config: { runtime: "docker", docker: { host } } });
  onTestFinished(async () => {
    await daemon.stop();
  });
  expect((await daemon.get("/sessions")).status).toBe(200);
  expect(daemon.output()).toContain("Cannot remove what belongs to no session (runtime docker)");
  expect(daemon.output()).toContain("its disk does not answer");
  broken.is = false;
  expect((await daemon.cli("gc")).exitCode).toBe(0);
});
