/** Attacks that need some stage setting: a name that changes, packets that are neither TCP nor UDP, a full disk. */
import { chown, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { execa } from "execa";
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import { ofType } from "../support/claude-daemon.ts";
import { type DockerShell, startDockerShell } from "../support/docker-shell.ts";
import { agentdContainers, engine, outside } from "../support/docker-world.ts";
import { tempDir } from "../support/temp-dir.ts";

const names = ["rebind.test"];
const deadlineMs = 150_000;
let shell: DockerShell;

beforeAll(async () => {
  shell = await startDockerShell(names, { config: { egress: { allow: names } } });
}, deadlineMs);

afterAll(() => shell?.stop());

test("no echo of ICMP comes back, from this machine or from a server that has a public address", async () => {
  const ping = (host: string) =>
    `python3 -c 'import socket;s=socket.socket(2,2,1);s.settimeout(4);s.sendto(bytes([8,0,0,0,0,0,0,1])+b"hello",("${host}",0));print("READ",s.recv(99))' 2>&1 | tail -1`;
  // The bridge that the tests made has the first address on this machine, the server the second.
  const script = `${ping("198.51.100.1")}; ${ping("198.51.100.2")}`;
  expect(await outside(shell.world, script)).toMatch(/READ b.*hello[\s\S]*READ b.*hello/);
  const { lines } = await shell.run(script);
  expect(lines).toHaveLength(2);
  expect(lines.join()).not.toContain("READ");
});

test(
  "a name that is public when the tunnel is asked for and private when the TLS hello comes is not reached",
  async () => {
    const id = await shell.start(
      `${wait("go")}; python3 -c '${tunnel}' 2>&1; curl -sk -m 5 --noproxy '*' --resolve "rebind.test:443:$(cat /home/agent/address)" https://rebind.test/; echo; sleep 2`,
    );
    const [container] = await agentdContainers(id);
    const home = join(shell.daemon.dataDir, "sessions", id, "home");
    await writeFile(join(home, "go"), "");
    // The tunnel is there: the name was public so far.
    await shell.log(id, (events) => ofType(events, "stdout").some(({ text }) => text === "TUNNEL 200"));
    const own = Object.keys(container?.NetworkSettings.Networks ?? {})[0] ?? "";
    const front = `${shell.world.network}-front`;
    await engine.getNetwork(shell.world.network).disconnect({ Container: front });
    await engine.getNetwork(own).connect({ Container: front, EndpointConfig: { Aliases: names } });
    try {
      const found = await engine.getContainer(front).inspect();
      await writeFile(join(home, "address"), found.NetworkSettings.Networks[own]?.IPAddress ?? "");
      await writeFile(join(home, "moved"), "");
      const events = await shell.log(id);
      const lines = ofType(events, "stdout").map(({ text }) => String(text));
      expect(lines[0]).toBe("TUNNEL 200");
      // Not by the tunnel; but the same server at its private address answers who is on its network, as we arranged.
      expect(lines.filter((line) => line.includes("MARKER"))).toEqual(["MARKER"]);
      expect(lines.at(-1)).toBe("MARKER");
      // What was looked at is what is connected to, as long as the proxy keeps the answer; nobody is there any more.
      expect(lines[1]).toMatch(/^(CUT|GOT b'')/);
    } finally {
      await engine
        .getNetwork(own)
        .disconnect({ Container: front, Force: true })
        .catch(() => undefined);
      await engine.getNetwork(shell.world.network).connect({ Container: front, EndpointConfig: { Aliases: names } });
    }
  },
  deadlineMs,
);

test("a work dir whose file system is full fails the agent, and its session goes on and is told whole", async () => {
  const folder = await tempDir();
  await execa("mount", ["-t", "tmpfs", "-o", "size=20m", "tmpfs", folder.path]);
  onTestFinished(async () => {
    await execa("umount", [folder.path]);
    await folder.remove();
  });
  await chown(folder.path, 1000, 1000);
  const { lines, events } = await shell.run(
    `dd if=/dev/zero of=/workspace/big bs=1M count=100 2>&1 | grep -o 'No space left on device'; seq 1000 | tail -1; rm big; echo room > small && cat small`,
    { work_dir: folder.path },
  );
  expect(lines).toEqual(["No space left on device", "1000", "room"]);
  expect(events.at(-1)?.data["code"]).toBe(0);
});

const wait = (file: string) => `for i in $(seq 600); do [ -e /home/agent/${file} ] && break; sleep 0.1; done`;

/** Asks for a tunnel, and says its TLS hello only when the name has moved. */
const tunnel = `
import os, socket, ssl, time
host, port = os.environ["HTTPS_PROXY"].split("//")[1].split(":")
raw = socket.create_connection((host, int(port)), 5)
raw.sendall(b"CONNECT rebind.test:443 HTTP/1.1\\r\\nHost: rebind.test:443\\r\\n\\r\\n")
print("TUNNEL", raw.recv(500).split()[1].decode(), flush=True)
while not os.path.exists("/home/agent/moved"): time.sleep(0.1)
time.sleep(2)
context = ssl.create_default_context()
context.check_hostname = False
context.verify_mode = ssl.CERT_NONE
raw.settimeout(20)
try:
    tls = context.wrap_socket(raw, server_hostname="rebind.test")
    tls.sendall(b"GET / HTTP/1.1\\r\\nHost: rebind.test\\r\\nConnection: close\\r\\n\\r\\n")
    print("GOT", tls.recv(2000), flush=True)
except OSError as error:
    print("CUT", error, flush=True)
`;
