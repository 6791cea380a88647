/**
 * A name server that gives another answer each time, with nothing to be kept of it: where does the proxy connect to? Tunnels are asked for at once,
 * and each says its TLS hello at another moment around the one when the proxy's first answer runs out.
 */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type DockerShell, denials, startDockerShell, textOf } from "../support/docker-shell.ts";
import { agentdContainers, engine, frontAddress } from "../support/docker-world.ts";
import { nameServer, startNameServer } from "../support/name-server.ts";
import { inProxy, markerAt, proxyContainer } from "../support/proxy-of.ts";

const deadlineMs = 240_000;
/** By what the name server tells of them, see there. */
const kinds = { r: 60, m: 20, n: 20, g: 20 };
/** The proxy keeps an answer for 5 s at least, and counts in whole seconds. */
const [firstMs, lastMs] = [3_500, 7_500];
let shell: DockerShell;

beforeAll(async () => {
  shell = await startDockerShell(["rebind.test"], { config: { egress: { allow: ["*.rebind.test"] } } });
}, deadlineMs);

afterAll(() => shell?.stop());

test(
  "a name that is public at first and private later is never connected to where it is private, whenever the hello comes",
  async () => {
    const id = await shell.start(`${wait}; python3 -c '${tunnels}'; ${straight}`);
    const [container] = await agentdContainers(id);
    const own = Object.keys(container?.NetworkSettings.Networks ?? {})[0] ?? "";
    const front = engine.getContainer(`${shell.world.network}-front`);
    // The same server at a private address as well: it says by which one it was reached.
    await engine.getNetwork(own).connect({ Container: front.id });
    const networks = (await front.inspect()).NetworkSettings.Networks;
    const inside = networks[own]?.IPAddress ?? "";
    expect(networks[shell.world.network]?.IPAddress).toBe(frontAddress);
    const dns = await startNameServer(shell.world, inside);
    await letProxyAsk(nameServer);
    // The proxy itself would come through.
    expect(await inProxy(markerAt(inside))).toContain(`Reached-At: ${inside}`);

    const home = join(shell.daemon.dataDir, "sessions", id, "home");
    await writeFile(join(home, "inside"), inside);
    await writeFile(join(home, "go"), "");
    const events = await shell.log(id);
    const lines = textOf(events, "stdout");
    const found = lines.flatMap((line) => {
      const [, name = "", status = "", end = ""] = /^(\w+)\.rebind\.test after \d+: (\S+) (.*)$/.exec(line) ?? [];
      return name === "" ? [] : [{ kind: name[0] ?? "", name, status, end }];
    });
    expect(found).toHaveLength(Object.values(kinds).reduce((sum, count) => sum + count, 0));
    expect(found.filter(({ end }) => end.includes(inside))).toEqual([]);
    // Who sits beside it is answered there.
    expect(lines.at(-1)).toContain(`Reached-At: ${inside}`);
    const of = (kind: string) => found.filter((one) => one.kind === kind);
    const reached = (kind: string) => of(kind).filter(({ end }) => end === `Reached-At: ${frontAddress}`).length;
    expect(of("r").every(({ status }) => status === "200")).toBe(true);
    // Some hellos came while the first answer was kept, some after the second one: that one was private.
    for (const kind of ["r", "m"]) {
      expect(reached(kind), kind).toBeGreaterThan(0);
      expect(reached(kind), kind).toBeLessThan(of(kind).length);
    }
    expect(reached("n")).toBe(0);
    expect(reached("g")).toBe(of("g").length);
    const answers = await dns.said();
    for (const kind of ["r", "m", "n"])
      expect(answers, kind).toMatch(new RegExp(`^${kind}\\d+\\.rebind\\.test 1 .*${inside}$`, "m"));
    // Once for the tunnel and once for the hello: what was looked at and what is connected to are one answer.
    expect(answers).not.toMatch(/^g\d+\.rebind\.test 2 /m);
    const told = denials(events).map(({ host, reason }) => `${reason} ${host}`);
    const refused = (kind: string) => {
      const cut = of(kind).filter(({ end }) => end.startsWith("CUT"));
      return cut.map(({ name }) => `range ${name}.rebind.test`);
    };
    const toldOf = (kind: string) => told.filter((line) => line.startsWith(`range ${kind}`)).sort();
    for (const kind of ["r", "m"]) expect(toldOf(kind)).toEqual(refused(kind).sort());
    // Some did not exist yet.
    expect(toldOf("n").length).toBeGreaterThan(0);
    expect(refused("n")).toEqual(expect.arrayContaining(toldOf("n")));
    expect(told).toHaveLength([..."rmn"].flatMap(toldOf).length);
  },
  deadlineMs,
);

/** Of the engine's own resolver it would have kept answers for ten minutes. Read anew with the rest of its configuration. */
async function letProxyAsk(address: string): Promise<void> {
  const { ResolvConfPath } = await (await proxyContainer()).inspect();
  await writeFile(ResolvConfPath, `nameserver ${address}\n`);
  for (const upstream_proxy of ["http://198.51.100.99:1", undefined]) {
    await shell.configure({ egress: { allow: ["*.rebind.test"], ...(upstream_proxy ? { upstream_proxy } : {}) } });
    expect((await shell.daemon.post("/egress/reload")).status).toBe(200);
  }
}

const wait = "for i in $(seq 600); do [ -e /home/agent/go ] && break; sleep 0.1; done";
const straight = `curl -sk -m 5 --noproxy '*' https://$(cat /home/agent/inside)/ -D - -o /dev/null | tr -d '\\r' | grep Reached`;

/** One thread a tunnel, one name each. All ask for their tunnels at the beginning. */
const tunnels = `
import os, socket, ssl, threading, time
host, port = os.environ["HTTPS_PROXY"].split("//")[1].split(":")
context = ssl.create_default_context()
context.check_hostname = False
context.verify_mode = ssl.CERT_NONE
def one(name, delay):
    status, end = "-", "CUT"
    try:
        raw = socket.create_connection((host, int(port)), 20)
        raw.settimeout(30)
        raw.sendall(f"CONNECT {name}:443 HTTP/1.1\\r\\nHost: {name}:443\\r\\n\\r\\n".encode())
        status = raw.recv(500).split()[1].decode()
        time.sleep(delay)
        tls = context.wrap_socket(raw, server_hostname=name)
        tls.sendall(b"GET / HTTP/1.1\\r\\n\\r\\n")
        end = [line for line in tls.recv(2000).decode().split("\\r\\n") if line.startswith("Reached-At")][0]
    except Exception as error:
        end = "CUT " + repr(error)
    print(f"{name} after {int(delay * 1000)}: {status} {end}", flush=True)
threads = []
for kind, count in ${JSON.stringify(kinds)}.items():
    for i in range(count):
        delay = (${firstMs} + i * ${lastMs - firstMs} / count) / 1000
        threads.append(threading.Thread(target=one, args=(f"{kind}{i}.rebind.test", delay)))
for thread in threads: thread.start()
for thread in threads: thread.join()
`;
