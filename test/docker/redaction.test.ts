/** A key that an agent in a container was given and prints: masked by its sidecar in there, before anything leaves the container. */
import { createHash } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { ofType } from "../support/claude-daemon.ts";
import { type Shells, startShells, textOf } from "../support/docker-shell.ts";
import { agentdContainers, dockerHost, engine } from "../support/docker-world.ts";

const key = "sk-test-of-the-operator-in-a-container-4Kd9";
const deadlineMs = 120_000;
let shells: Shells;

beforeAll(async () => {
  shells = await startShells({
    settings: { host: dockerHost, memory: "256m" },
    config: {
      agents: { sh: { command: "bash", harness: "generic", key_env: "OPERATORS_KEY" } },
      limits: { line_bytes: 1_000_000 },
    },
    env: { OPERATORS_KEY: key },
  });
}, deadlineMs);

afterAll(() => shells?.stopDaemon(), deadlineMs);

test(
  "an injected key that is printed is in no event, raw line, blob, stderr, nor in what the engine keeps of the container",
  async () => {
    const half = key.length / 2;
    const id = await shells.start(
      [
        `echo "plain $OPERATORS_KEY"`,
        `printf 'in pieces %s' "\${OPERATORS_KEY:0:${Math.floor(half)}}"; sleep 0.3; echo "\${OPERATORS_KEY:${Math.floor(half)}}"`,
        `tr '\\0' '\\n' </proc/$$/environ | grep ^OPERATORS_KEY`,
        `echo "digest $(printf %s "$OPERATORS_KEY" | sha256sum | cut -c 1-64)"`,
        `echo "to stderr $OPERATORS_KEY" >&2`,
        `head -c 1200000 /dev/zero | tr '\\0' x; echo "$OPERATORS_KEY"`,
        "echo over",
        "for i in $(seq 600); do [ -e /home/agent/go ] && break; sleep 0.1; done",
      ].join("; "),
      { keep_raw: true },
    );
    const seen = await shells.log(id, (events) => textOf(events, "stdout").includes("over"));
    const lines = textOf(seen, "stdout");
    expect(lines.slice(0, 3)).toEqual(["plain [redacted]", "in pieces [redacted]", "OPERATORS_KEY=[redacted]"]);
    // The agent has it: what it makes of it is right.
    expect(lines[3]).toBe(`digest ${createHash("sha256").update(key).digest("hex")}`);
    expect(ofType(seen, "stderr").map(({ text }) => text)).toContain("to stderr [redacted]");
    const [container] = await agentdContainers(id);
    const kept = await engine.getContainer(container?.Id ?? "").logs({ stdout: true, stderr: true, follow: false });
    const shown = JSON.stringify(await engine.getContainer(container?.Id ?? "").inspect());
    expect([kept.includes(key), shown.includes(key), shells.daemon.output().includes(key)]).toEqual([
      false,
      false,
      false,
    ]);

    const dir = join(shells.daemon.dataDir, "sessions", id);
    const files = await filesBelow(dir, "home");
    expect(files.map(({ name }) => name)).toEqual(
      expect.arrayContaining(["events.ndjson", "box/raw.ndjson", "box/blobs/1.bin"]),
    );
    expect(files.filter(({ bytes }) => bytes.includes(key)).map(({ name }) => name)).toEqual([]);
    const masked = files.filter(({ bytes }) => bytes.includes("[redacted]")).map(({ name }) => name);
    expect(masked).toEqual(expect.arrayContaining(["events.ndjson", "box/raw.ndjson", "box/blobs/1.bin"]));
  },
  deadlineMs,
);

/** `without`: the agent's own. */
async function filesBelow(dir: string, without: string): Promise<{ name: string; bytes: Buffer }[]> {
  const found = await readdir(dir, { recursive: true, withFileTypes: true });
  const files = found.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  const names = files.map((path) => path.slice(dir.length + 1)).filter((name) => !name.startsWith(`${without}/`));
  return Promise.all(names.map(async (name) => ({ name, bytes: await readFile(join(dir, name)) })));
}
