/** One login for many sessions: whoever comes first renews it, and nobody logs the others out. */
import { readFile, stat, writeFile } from "node:fs/promises";
import { createServer, type IncomingHttpHeaders } from "node:http";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { ask, startLoginKeeper } from "../support/login-keeper.ts";
import { type TempDir, tempDir } from "../support/temp-dir.ts";
import { claudeLogin, codexLogin, startTokenEndpoint, type TokenEndpoint } from "../support/token-endpoint.ts";

const past = () => Date.now() - 1000;

let dir: TempDir;
let endpoint: TokenEndpoint;
let status = 200;
const seen: IncomingHttpHeaders[] = [];
const model = createServer((incoming, outgoing) => {
  seen.push(incoming.headers);
  outgoing.writeHead(status).end("answer");
});

beforeEach(async () => {
  dir = await tempDir();
  endpoint = await startTokenEndpoint();
  seen.length = 0;
  status = 200;
  if (!model.listening) await new Promise<void>((resolve) => model.listen(0, "127.0.0.1", resolve));
});

afterEach(async () => {
  await endpoint.close();
  await dir.remove();
  model.closeAllConnections();
  await new Promise((resolve) => model.close(resolve));
});

test("ten sessions that find an ended token at once make one renewal, and all go on with what it gave", async () => {
  const path = await write("claude", claudeLogin({ refresh: endpoint.refreshToken, expiresAt: past() }));
  const sockets = await Promise.all(Array.from({ length: 10 }, (_, index) => keeper(String(index), "claude", path)));
  const answers = await Promise.all(sockets.flatMap((socket) => [ask(socket), ask(socket)]));
  expect(new Set(answers.map((answer) => answer.status))).toEqual(new Set([200]));
  expect(endpoint.renewals).toHaveLength(1);
  expect(endpoint.renewals[0]).toMatchObject({ grant_type: "refresh_token", scope: "user:inference user:profile" });
  expect(new Set(seen.map(({ authorization }) => authorization))).toEqual(new Set([`Bearer ${endpoint.accessToken}`]));

  const kept = JSON.parse(await readFile(path, "utf8"));
  expect(kept.claudeAiOauth).toMatchObject({ accessToken: endpoint.accessToken, refreshToken: endpoint.refreshToken });
  expect(kept.claudeAiOauth.subscriptionType).toBe("max");
  expect(kept.another).toBe("thing");
  expect((await stat(path)).mode & 0o777).toBe(0o600);
});

test("a login of Codex is renewed when its token says that it ends, and the account is named to the service", async () => {
  const path = await write("codex", codexLogin({ refresh: endpoint.refreshToken, expiresAt: past() }));
  expect((await ask(await keeper("one", "codex", path))).status).toBe(200);
  expect(endpoint.renewals).toHaveLength(1);
  expect(seen[0]).toMatchObject({ authorization: `Bearer ${endpoint.accessToken}`, "chatgpt-account-id": "account-1" });
  expect(JSON.parse(await readFile(path, "utf8")).tokens).toMatchObject({
    access_token: endpoint.accessToken,
    refresh_token: endpoint.refreshToken,
    account_id: "account-1",
  });
});

test("a token that holds is not renewed; one that the service refuses is, once for all", async () => {
  const path = await write(
    "claude",
    claudeLogin({ refresh: endpoint.refreshToken, expiresAt: Date.now() + 3_600_000 }),
  );
  const sockets = [await keeper("a", "claude", path), await keeper("b", "claude", path)];
  await Promise.all(sockets.map((socket) => ask(socket)));
  expect(endpoint.renewals).toHaveLength(0);
  status = 401;
  await Promise.all(sockets.map((socket) => ask(socket)));
  status = 200;
  for (const socket of sockets) expect((await ask(socket)).status).toBe(200);
  expect(endpoint.renewals).toHaveLength(1);
  expect(seen.at(-1)?.authorization).toBe(`Bearer ${endpoint.accessToken}`);
});

test("what a person's own program renewed meanwhile is taken from the file", async () => {
  const path = await write("claude", claudeLogin({ refresh: endpoint.refreshToken, expiresAt: past() }));
  const socket = await keeper("a", "claude", path);
  await write("claude", claudeLogin({ refresh: "other", expiresAt: Date.now() + 3_600_000, access: "by-the-person" }));
  await ask(socket);
  expect(seen[0]?.authorization).toBe("Bearer by-the-person");
  expect(endpoint.renewals).toHaveLength(0);
});

test("a login that was ended says so to the agent, and leaves the file as it is", async () => {
  const path = await write("claude", claudeLogin({ refresh: "revoked", expiresAt: past() }));
  const before = await readFile(path, "utf8");
  const answer = await ask(await keeper("a", "claude", path));
  expect(answer.status).toBe(401);
  expect(answer.text).toMatch(/does not hold any more. Log in with claude again/);
  expect(answer.text).not.toContain("revoked");
  expect(await readFile(path, "utf8")).toBe(before);
  expect(seen).toEqual([]);
});

async function write(name: string, content: object): Promise<string> {
  const path = join(dir.path, `${name}.json`);
  await writeFile(path, JSON.stringify(content), { mode: 0o600 });
  return path;
}

function keeper(name: string, kind: "claude" | "codex", path: string): Promise<string> {
  return startLoginKeeper({ dir: dir.path, name, login: { kind, path, token_url: endpoint.url }, model });
}
