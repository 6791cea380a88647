import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { WebSocket } from "ws";
import { readSpool } from "../../src/process/spool-reader.ts";
import { killTree } from "../../src/process/stop-ladder.ts";
import { type Bootstrap, defaultSidecarLimits } from "../../src/protocol/bootstrap.ts";
import { linkProtocol } from "../../src/protocol/link-frame.ts";
import { eventually } from "../support/eventually.ts";
import { isAlive, sessionProcesses } from "../support/processes.ts";
import {
  bootstrapFor,
  collect,
  endSidecar,
  fakeAgent,
  type RunningSidecar,
  startForDaemon,
  TestLink,
} from "../support/sidecar.ts";
import { type TempDir, tempDir } from "../support/temp-dir.ts";

let dir: TempDir;
const started: RunningSidecar[] = [];
const links: TestLink[] = [];

beforeEach(async () => {
  dir = await tempDir();
});

afterEach(async () => {
  await Promise.all(started.splice(0).map(endSidecar));
  for (const link of links.splice(0)) link.socket.terminate();
  await dir.remove();
});

async function start(command: string[], change: Partial<Bootstrap> = {}) {
  const bootstrap = bootstrapFor(change.session_dir ?? dir.path, command, change);
  const sidecar = await startForDaemon(bootstrap);
  started.push(sidecar);
  return { bootstrap, sidecar };
}

async function connect(bootstrap: Bootstrap, after = 0) {
  const link = new TestLink(bootstrap, after);
  links.push(link);
  return link.opened();
}

const spoolFiles = (path = dir.path) => readdirSync(path).filter((name) => name.startsWith("spool-"));

describe("a sidecar of the daemon", () => {
  it("answers the bootstrap, greets, and ends once exit is acknowledged", async () => {
    const { bootstrap, sidecar } = await start(["echo", "hi"]);
    expect(sidecar).toMatchObject({
      answer: { ok: true, protocol: linkProtocol, pid: sidecar.pid, address: bootstrap.socket_path },
    });
    expect(statSync(bootstrap.socket_path).mode & 0o777).toBe(0o600);
    const lines = await collect(bootstrap);
    expect(lines.map(({ type, data, sidecar_seq }) => [type, data, sidecar_seq])).toEqual([
      ["stdout", { text: "hi" }, 1],
      ["exit", { code: 0 }, 2],
    ]);
    expect(await sidecar.exited).toEqual({ code: 0, signal: null });
  });

  it("proves that it knows the token, and refuses who does not, without leaving the daemon's link for that one", async () => {
    const { bootstrap } = await start(["cat"]);
    const ours = await connect(bootstrap);
    expect(ours.isSidecar).toBe(true);
    const stranger = new TestLink(bootstrap, 0, "wrong");
    links.push(stranger);
    expect(await stranger.closed).toBe(4003);
    expect([stranger.isSidecar, stranger.frames]).toEqual([false, []]);
    expect((await ours.ask("prompt", { content: "still here" })).ok).toBe(true);
  });

  it("opens no link for the token itself, which nobody has to send", async () => {
    const { bootstrap } = await start(["cat"]);
    const socket = new WebSocket(`ws+unix:${bootstrap.socket_path}:/ws?after=0`, {
      headers: { authorization: `Bearer ${bootstrap.token}` },
    });
    const status = await new Promise((resolve) =>
      socket.once("unexpected-response", (_, response) => resolve(response.statusCode)),
    );
    socket.on("error", () => undefined).terminate();
    expect(status).toBe(401);
  });

  it("refuses a bootstrap that it does not understand", async () => {
    const bootstrap = { ...bootstrapFor(dir.path, ["cat"]), protocol: 99 };
    const sidecar = await startForDaemon(bootstrap);
    expect(sidecar.answer).toEqual({
      ok: false,
      error: expect.stringContaining(`protocol 99, this sidecar ${linkProtocol}`),
    });
    expect(await sidecar.exited).toEqual({ code: 1, signal: null });
  });

  it("replaces an earlier link and replies to commands", async () => {
    const { bootstrap } = await start(["cat"]);
    const first = await connect(bootstrap);
    const second = await connect(bootstrap);
    expect(await first.closed).toBe(4001);
    expect(await second.ask("prompt", { content: "hello", turn_id: "t9" })).toMatchObject({ ok: true });
    expect(await second.ask("mention", { file_path: "/x" })).toMatchObject({
      ok: false,
      error: expect.stringMatching(/not supported/),
    });
    expect(await second.ask("dance")).toMatchObject({ ok: false, error: "unknown command type: dance" });
    await eventually(() => second.lastSeq >= 2);
  });

  it("loses nothing of a flood whose link is cut again and again, and gives its spool back", async () => {
    const count = 200_000;
    const { bootstrap, sidecar } = await start(fakeAgent("floods-stdout", String(count)));
    let seen = 0;
    let last = "";
    let lastSeq = 0;
    let cuts = 0;
    const deadline = Date.now() + 50_000;
    while (!last.startsWith('{"type":"exit"') && Date.now() < deadline) {
      const link = new TestLink(bootstrap, lastSeq);
      links.push(link);
      const cutAfter = cuts < 5 ? 20_000 : Infinity;
      let taken = 0;
      const cut = new Promise<void>((resolve) => {
        link.onLine = (line) => {
          if (taken >= cutAfter) return;
          taken++;
          lastSeq = link.lastSeq;
          last = line;
          if (line === "" || line.includes(`"text":"line ${seen + 1}"`)) seen++;
          if (taken % 5_000 === 0 && cuts % 2 === 1) link.send("ack", { sidecar_seq: lastSeq });
          if (taken === cutAfter || line.startsWith('{"type":"exit"')) resolve();
        };
      });
      await Promise.race([cut, link.closed]);
      expect(link.faults).toEqual([]);
      link.socket.terminate();
      cuts++;
    }
    expect([seen, lastSeq]).toEqual([count, count + 1]);
    const link = await connect(bootstrap, lastSeq);
    link.send("ack", { sidecar_seq: lastSeq });
    expect(await sidecar.exited).toEqual({ code: 0, signal: null });
    expect(spoolFiles().length).toBeLessThanOrEqual(1);
  });

  it("leaves what nobody acknowledged where a daemon finds it", async () => {
    const { bootstrap, sidecar } = await start(["sh", "-c", "seq 1 1000; exec sleep 600"]);
    const link = await connect(bootstrap);
    await eventually(() => link.lastSeq === 1000);
    sidecar.process.kill("SIGKILL");
    await sidecar.exited;
    await killTree({ sessionId: bootstrap.session_id });
    const [file = ""] = spoolFiles();
    truncateSync(join(dir.path, file), statSync(join(dir.path, file)).size - 5);
    let text = "";
    for await (const batch of readSpool(dir.path, 600)) text += String(batch);
    const lines = text
      .split("\n")
      .slice(0, -1)
      .map((line) => JSON.parse(line));
    expect(lines.map(({ sidecar_seq }) => sidecar_seq)).toEqual(Array.from({ length: 399 }, (_, index) => 601 + index));
  });

  it("tells of an agent that is killed in the middle of a line", async () => {
    const { bootstrap } = await start(fakeAgent("dies-mid-line"));
    const lines = await collect(bootstrap);
    expect(lines.map(({ type, data }) => [type, data])).toEqual([
      ["stdout", { text: "whole" }],
      ["stdout", { text: "hal" }],
      ["exit", { code: 137, signal: "SIGKILL", error_category: "agent_crash", retryable: true }],
    ]);
  });

  it("keeps bad UTF-8 from doing harm", async () => {
    const { bootstrap } = await start(fakeAgent("prints-bad-utf8"));
    const lines = await collect(bootstrap);
    expect(lines.slice(0, -1).map(({ data }) => data)).toEqual([{ text: "a\ufffd\ufffdb" }, { text: "\u20ac" }]);
  });

  it("puts a line of 64 MiB into a blob", async () => {
    const bytes = 64 * 1024 * 1024;
    const { bootstrap } = await start(fakeAgent("prints-long-line", String(bytes)));
    const lines = await collect(bootstrap);
    expect(lines.slice(0, -1).map(({ type, data }) => [type, data])).toEqual([
      ["stdout", { text: "before" }],
      [
        "system",
        { subtype: "oversized_line", stream: "stdout", blob: "1.bin", bytes, truncated: false, head: "x".repeat(1024) },
      ],
      ["stdout", { text: "after" }],
    ]);
    expect(statSync(join(dir.path, "blobs/1.bin")).size).toBe(bytes);
  });

  it("cuts a blob at its limit", async () => {
    const limits = { ...defaultSidecarLimits, lineBytesMax: 200_000, blobBytesMax: 300_000 };
    const { bootstrap } = await start(fakeAgent("prints-long-line", "500000"), { limits });
    const lines = await collect(bootstrap);
    expect(lines[1]?.data).toMatchObject({ bytes: 500_000, truncated: true });
    expect(statSync(join(dir.path, "blobs/1.bin")).size).toBe(300_000);
  });

  it("stops an agent that ignores signals, with its grandchild in a session of its own", async () => {
    const { bootstrap } = await start(fakeAgent("ignores-sigterm"));
    let grandchild = 0;
    const lines = await collect(bootstrap, (link) => {
      const take = link.onLine;
      link.onLine = (line) => {
        take(line);
        const found = /grandchild (\d+)/.exec(line);
        if (!found) return;
        grandchild = Number(found[1]);
        link.send("stop", { reason: "deleted" });
      };
    });
    expect(lines.at(-1)?.data).toEqual({ code: 137, signal: "SIGKILL", error_category: "stopped", retryable: false });
    expect(isAlive(grandchild)).toBe(false);
    expect(sessionProcesses(bootstrap.session_id)).toEqual([]);
  });

  it("kills what an agent leaves behind when it ends by itself", async () => {
    const { bootstrap } = await start(fakeAgent("leaves-grandchild"));
    const lines = await collect(bootstrap);
    const [, grandchild] = /grandchild (\d+)/.exec(JSON.stringify(lines[0]?.data)) ?? [];
    expect(isAlive(Number(grandchild))).toBe(false);
    expect(lines.at(-1)?.data).toEqual({ code: 0 });
  });

  it("ends the turn of a single prompt with the command's end", async () => {
    const { bootstrap } = await start(["cat"], { interactive: false });
    const lines = await collect(bootstrap, (link) => link.send("prompt", { content: "x", turn_id: "t1" }));
    expect(lines.map(({ type }) => type)).toEqual(["stdout", "result", "exit"]);
    expect(lines[1]?.data).toMatchObject({ turn_id: "t1", status: "success" });
  });

  it("stops on SIGTERM and leaves its exit in the spool", async () => {
    const { bootstrap, sidecar } = await start(["cat"]);
    const link = await connect(bootstrap);
    expect(await link.ask("prompt", { content: "x" })).toMatchObject({ ok: true });
    link.socket.terminate();
    sidecar.process.kill("SIGTERM");
    expect(await sidecar.exited).toEqual({ code: 0, signal: null });
    let text = "";
    for await (const batch of readSpool(dir.path, 0)) text += String(batch);
    expect(text.trimEnd().split("\n").at(-1)).toMatch(/"type":"exit".*"error_category":"stopped"/);
    expect(sessionProcesses(bootstrap.session_id)).toEqual([]);
  });

  it("reads nothing while it is paused, and everything afterwards", async () => {
    const { bootstrap } = await start(["cat"]);
    const link = await connect(bootstrap);
    await link.ask("pause", { reason: "the disk is full" });
    const before = link.lastSeq;
    await link.ask("prompt", { content: "later" });
    expect(link.lastSeq).toBe(before);
    link.send("resume");
    await eventually(() => link.lastSeq === before + 2);
    expect(link.faults).toEqual([]);
  });

  it("holds the agent back when too much is unacknowledged, and goes on after acknowledgements", async () => {
    const limits = { ...defaultSidecarLimits, spoolBytesMax: 512 * 1024 };
    const { bootstrap } = await start(fakeAgent("floods-stdout", "50000"), { limits });
    const link = await connect(bootstrap);
    const size = () => spoolFiles().reduce((sum, name) => sum + statSync(join(dir.path, name)).size, 0);
    await eventually(() => size() > 512 * 1024);
    expect(link.lastSeq).toBeLessThan(50_000);
    await eventually(() => {
      link.send("ack", { sidecar_seq: link.lastSeq });
      return link.lastSeq === 50_001;
    });
    expect(link.faults).toEqual([]);
  });

  it("keeps the command's own lines with keep_raw", async () => {
    const { bootstrap } = await start(["printf", "é\\nsecond\\n"], { keep_raw: true });
    const lines = await collect(bootstrap);
    expect(lines.map(({ raw }) => raw)).toEqual([0, 3, undefined]);
    expect(readFileSync(join(dir.path, "raw.ndjson"), "utf8")).toBe("é\nsecond\n");
  });
});

const canMount = process.platform === "linux" && process.getuid?.() === 0;
if (!canMount) console.warn("SKIPPED: a full disk is only tested as root on Linux, where a small tmpfs can be mounted");

describe.skipIf(!canMount)("a sidecar whose disk is full", () => {
  it("waits for room and loses nothing", async () => {
    const small = join(dir.path, "small");
    mkdirSync(small);
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=1m", "tmpfs", small]);
    try {
      writeFileSync(join(small, "ballast"), Buffer.alloc(700 * 1024));
      const { bootstrap, sidecar } = await start(fakeAgent("floods-stdout", "20000"), {
        session_dir: small,
        work_dir: dir.path,
      });
      const link = await connect(bootstrap);
      await eventually(() =>
        link.frames.some(({ type, data }) => type === "storage" && "paused" in data && data.paused),
      );
      expect(link.lastSeq).toBeLessThan(20_000);
      const stuckAt = link.lastSeq;
      truncateSync(join(small, "ballast"), 0);
      await eventually(() => link.lastSeq > stuckAt, { what: "more lines" });
      await eventually(() => {
        link.send("ack", { sidecar_seq: link.lastSeq });
        return link.lastSeq === 20_001;
      });
      expect(link.faults).toEqual([]);
      expect(link.frames.some(({ type, data }) => type === "storage" && "paused" in data && !data.paused)).toBe(true);
      await sidecar.exited;
    } finally {
      await Promise.all(started.splice(0).map(endSidecar));
      execFileSync("umount", ["-l", small]);
    }
    expect(existsSync(join(small, "ballast"))).toBe(false);
  });
});
