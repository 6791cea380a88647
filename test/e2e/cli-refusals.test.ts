/** What a command says when it is refused: what was found, and what to type about it. */
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { expect, onTestFinished, test } from "vitest";
import { runCli, startDaemon } from "../support/start-daemon.ts";
import { tempDir } from "../support/temp-dir.ts";

test("a wrong token is told as AGENTD_TOKEN's", async () => {
  const daemon = await startDaemon();
  onTestFinished(async () => void (await daemon.stop()));
  const refused = await runCli(["ls", "--data-dir", daemon.dataDir], { AGENTD_TOKEN: "bad" });
  expect(refused).toMatchObject({ exitCode: 1, stdout: "" });
  expect(refused.stderr).toBe(
    `agentd: The token sent is not valid: it was AGENTD_TOKEN's. Set AGENTD_TOKEN to a token of that daemon: where it runs, "env -u AGENTD_TOKEN agentd token" prints one; unset, the data dir's is sent to its own daemon`,
  );
});

test("another program at the daemon's address is told in a sentence", async () => {
  const dir = await tempDir();
  onTestFinished(dir.remove);
  const server = createServer((_request, response) => response.end("hi")).listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => void server.close());
  const { port } = server.address() as AddressInfo;
  const { exitCode, stderr } = await runCli(["ls", "--port", String(port), "--data-dir", dir.path]);
  expect([exitCode, stderr]).toEqual([
    1,
    `agentd: Something that is no agentd answers at http://127.0.0.1:${port} (--port): 200, "hi". Name the daemon with --url or --port, or start one on another port: "agentd serve --port 0"`,
  ]);
});
