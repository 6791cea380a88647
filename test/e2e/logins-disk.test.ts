/** A login whose renewal cannot be written: it is not used up for that, and nobody is logged out. */
import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { eventually } from "../support/eventually.ts";
import { ask, startLoginKeeper } from "../support/login-keeper.ts";
import { type TempDir, tempDir } from "../support/temp-dir.ts";
import { claudeLogin, startTokenEndpoint, type TokenEndpoint } from "../support/token-endpoint.ts";
import { canMount, mountSmallDisk, type SmallDisk } from "../torture/small-disk.ts";

if (!canMount) console.warn("SKIPPED: logins on a full disk need a small file system, which needs root on Linux");

let dir: TempDir;
let disk: SmallDisk;
let endpoint: TokenEndpoint;
let onGrant: () => void;
let model: Server;
const shown: unknown[] = [];
const path = () => join(disk.path, "login.json");
const inFile = () => JSON.parse(readFileSync(path(), "utf8")).claudeAiOauth;

beforeEach(async () => {
  if (!canMount) return;
  dir = await tempDir();
  disk = mountSmallDisk(join(dir.path, "disk"), 1);
  onGrant = () => undefined;
  endpoint = await startTokenEndpoint({ onGrant: () => onGrant() });
  shown.length = 0;
  model = createServer((incoming, outgoing) => {
    shown.push(incoming.headers.authorization);
    outgoing.end("answer");
  });
  await new Promise<void>((resolve) => model.listen(0, "127.0.0.1", resolve));
});

afterEach(async () => {
  if (!canMount) return;
  model.closeAllConnections();
  await new Promise((resolve) => model.close(resolve));
  await endpoint.close();
  await disk.remove();
  await dir.remove();
});

function writeLogin(expiresAt: number, to = path()): void {
  writeFileSync(to, JSON.stringify(claudeLogin({ refresh: endpoint.refreshToken, expiresAt })), { mode: 0o600 });
}

/** Of so many bytes together, beside a login that has ended. */
function writeLongLogin(bytes: number, to = path()): void {
  const login = { ...claudeLogin({ refresh: endpoint.refreshToken, expiresAt: Date.now() - 1000 }), note: "" };
  login.note = "n".repeat(bytes - JSON.stringify(login).length);
  writeFileSync(to, JSON.stringify(login), { mode: 0o600 });
}

const keeper = (name: string) =>
  startLoginKeeper({ dir: dir.path, name, login: { kind: "claude", path: path(), token_url: endpoint.url }, model });

/** What the keeper wrote down of its requests. */
function faultsOf(name: string): Promise<string[]> {
  return eventually(() => {
    const lines = readFileSync(join(dir.path, `${name}.ndjson`), "utf8")
      .trimEnd()
      .split("\n");
    return lines.length > 0 && lines.map((line): string => JSON.parse(line).fault ?? "");
  });
}

describe.skipIf(!canMount)("on a full disk (needs root)", () => {
  test("a token that still holds is used on, the refresh token is not, and what to do is written down", async () => {
    writeLogin(Date.now() + 5 * 60_000);
    disk.fill();
    const [one, two] = [await keeper("a"), await keeper("b")];
    for (const socket of [one, two]) expect((await ask(socket)).status).toBe(200);
    expect(shown).toEqual(["Bearer access-token-of-old", "Bearer access-token-of-old"]);
    expect(endpoint.renewals).toEqual([]);
    expect(await faultsOf("a")).toEqual([
      `Cannot renew the login in "${path()}": the disk that holds it is full. Make room there`,
    ]);
    expect(readdirSync(disk.path).sort()).toEqual(["ballast", "login.json"]);

    disk.free();
    for (const socket of [one, two]) expect((await ask(socket)).status).toBe(200);
    expect(endpoint.renewals).toHaveLength(1);
    expect(inFile()).toMatchObject({ accessToken: endpoint.accessToken, refreshToken: endpoint.refreshToken });
  });

  test("a token that has ended costs the request and not the login", async () => {
    writeLogin(Date.now() - 1000);
    disk.fill();
    const socket = await keeper("a");
    const refused = await ask(socket);
    expect([refused.status, refused.text]).toEqual([401, expect.stringContaining("is full. Make room there")]);
    expect(endpoint.renewals).toEqual([]);
    disk.free();
    expect((await ask(socket)).status).toBe(200);
    expect(inFile()).toMatchObject({ refreshToken: endpoint.refreshToken });
  });

  test("a disk that fills up while the service is asked costs nothing: the room was taken before", async () => {
    writeLogin(Date.now() - 1000);
    onGrant = () => disk.fill();
    expect((await ask(await keeper("a"))).status).toBe(200);
    expect(inFile()).toMatchObject({ accessToken: endpoint.accessToken, refreshToken: endpoint.refreshToken });
    disk.free();
    expect(readdirSync(disk.path)).toEqual(["login.json"]);
  });

  test("a disk that takes a part of it and reports nothing is a full one", async () => {
    writeLongLogin(9000);
    const before = readFileSync(path(), "utf8");
    disk.fill();
    const ballast = join(disk.path, "ballast");
    truncateSync(ballast, statSync(ballast).size - 4096);
    const socket = await keeper("a");
    const refused = await ask(socket);
    expect([refused.status, refused.text]).toEqual([401, expect.stringContaining("is full. Make room there")]);
    expect(endpoint.renewals).toEqual([]);
    expect(readFileSync(path(), "utf8")).toBe(before);
    expect(readdirSync(disk.path).sort()).toEqual(["ballast", "login.json"]);
    disk.free();
    expect((await ask(socket)).status).toBe(200);
    expect(inFile()).toMatchObject({ accessToken: endpoint.accessToken, refreshToken: endpoint.refreshToken });
  });
});

describe.skipIf(!canMount)("a file that is mounted by itself (needs root)", () => {
  const mount = (...args: string[]) => execFileSync("mount", args);

  test("is written where it is", async () => {
    writeLogin(Date.now() - 1000);
    mount("--bind", path(), path());
    try {
      expect((await ask(await keeper("a"))).status).toBe(200);
      expect(inFile()).toMatchObject({ refreshToken: endpoint.refreshToken });
    } finally {
      execFileSync("umount", [path()]);
    }
  });

  test("and can then not be written is kept in memory until it can, and no second time renewed", async () => {
    writeLogin(Date.now() - 1000);
    onGrant = () => {
      mount("--bind", path(), path());
      mount("-o", "remount,ro,bind", path());
    };
    const socket = await keeper("a");
    for (const _ of [1, 2]) expect((await ask(socket)).status).toBe(200);
    expect(shown).toEqual([`Bearer ${endpoint.accessToken}`, `Bearer ${endpoint.accessToken}`]);
    expect(inFile()).toMatchObject({ accessToken: "access-token-of-old" });
    expect((await faultsOf("a"))[0]).toMatch(/^Cannot renew the login.*Until then only this process has the new one$/);
    execFileSync("umount", [path()]);
    expect((await ask(socket)).status).toBe(200);
    expect(endpoint.renewals).toHaveLength(1);
    expect(inFile()).toMatchObject({ accessToken: endpoint.accessToken, refreshToken: endpoint.refreshToken });
  });

  test("what is half written by then is no new login", async () => {
    writeLogin(Date.now() - 1000);
    const was = readFileSync(path(), "utf8");
    onGrant = () => {
      mount("--bind", path(), path());
      mount("-o", "remount,ro,bind", path());
    };
    const socket = await keeper("a");
    expect((await ask(socket)).status).toBe(200);
    execFileSync("umount", [path()]);
    writeFileSync(path(), was.slice(0, 60));
    expect((await ask(socket)).status).toBe(200);
    expect(endpoint.renewals).toHaveLength(1);
    expect(inFile()).toMatchObject({ accessToken: endpoint.accessToken, refreshToken: endpoint.refreshToken });
  });

  describe("from another disk", () => {
    let other: SmallDisk;
    const source = () => join(other.path, "login.json");
    beforeEach(() => {
      other = mountSmallDisk(join(dir.path, "other"), 1);
      // With the new one it needs another block.
      writeLongLogin(4090, source());
      writeFileSync(path(), "");
      mount("--bind", source(), path());
    });
    afterEach(async () => {
      execFileSync("umount", [path()]);
      await other.remove();
    });

    test("that is full: the refresh token is not used, and the old text stays", async () => {
      const before = readFileSync(source(), "utf8");
      other.fill();
      const socket = await keeper("a");
      const refused = await ask(socket);
      expect([refused.status, refused.text]).toEqual([401, expect.stringContaining("is full. Make room there")]);
      expect(endpoint.renewals).toEqual([]);
      expect(readFileSync(source(), "utf8")).toBe(before);
      other.free();
      expect((await ask(socket)).status).toBe(200);
      expect(inFile()).toMatchObject({ accessToken: endpoint.accessToken, refreshToken: endpoint.refreshToken });
    });

    test("that fills up while the service is asked: its room was taken before", async () => {
      onGrant = () => other.fill();
      expect((await ask(await keeper("a"))).status).toBe(200);
      expect(inFile()).toMatchObject({ accessToken: endpoint.accessToken, refreshToken: endpoint.refreshToken });
      expect(readFileSync(source(), "utf8")).toBe(readFileSync(source(), "utf8").trimEnd());
    });
  });
});
