import { createSocket } from "node:dgram";
import { existsSync } from "node:fs";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { homedir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import type { LoggedEvent } from "../support/client-socket.ts";
import { type DockerShell, startDockerShell, textOf } from "../support/docker-shell.ts";
import { agentdContainers, frontAddress, outside } from "../support/docker-world.ts";
import { nameServer, startNameServer } from "../support/name-server.ts";
import { startDaemon } from "../support/start-daemon.ts";
import { tempDir } from "../support/temp-dir.ts";

let shell: DockerShell;

beforeAll(async () => {
  shell = await startDockerShell(["allowed.test"], {
    config: { egress: { allow: ["allowed.test"] }, listen: { host: "0.0.0.0" } },
    settings: { memory: "512m", pids: 200, scratch_size: "100m" },
  });
});

afterAll(() => shell?.stop());

const tcp = (host: string, port: number) =>
  `python3 -c 'import socket,sys;s=socket.create_connection((sys.argv[1],${port}),4);s.settimeout(4);s.sendall(b"GET / HTTP/1.0\\r\\n\\r\\n");print("READ",s.recv(99))' "${host}" 2>&1 | tail -1`;
const udp = (host: string, port: number) =>
  `python3 -c 'import socket;s=socket.socket(2,2);s.settimeout(4);s.sendto(b"hello",("${host}",${port}));print("READ",s.recv(99))' 2>&1 | tail -1`;

/** In a session's home on this machine, which its container sees. */
const go = (id: string, step: string) => writeFile(join(shell.daemon.dataDir, "sessions", id, "home", step), "");
const wait = (step: string) => `for i in $(seq 600); do [ -e /home/agent/${step} ] && break; sleep 0.1; done`;

describe("an agent does not reach, past the proxy,", () => {
  test("this machine's services, neither by TCP nor by UDP", async () => {
    // The bridge that the tests made has this address on this machine.
    const host = "198.51.100.1";
    const server = createServer((client) => client.on("error", () => undefined).end("HOST")).listen(0, host);
    const datagrams = createSocket("udp4").bind(0, host);
    datagrams.on("message", (_, from) => datagrams.send("HOST", from.port, from.address));
    await new Promise((resolve) => datagrams.once("listening", resolve));
    try {
      const address = server.address();
      const tcpPort = typeof address === "object" && address ? address.port : 0;
      const script = `${tcp(host, tcpPort)}; ${udp(host, datagrams.address().port)}`;
      expect(await outside(shell.world, script)).toMatch(/READ b'HOST[\s\S]*READ b'HOST/);
      const { lines } = await shell.run(script);
      expect(lines).toHaveLength(2);
      expect(lines.join()).not.toContain("READ");
    } finally {
      server.close();
      datagrams.close();
    }
  });

  test("the daemon, by its own loopback, by this machine's address and by its network's gateway", async () => {
    const port = Number(new URL(shell.daemon.url).port);
    const gateway = `gateway=$(python3 -c 'import os;a=os.environ["HTTPS_PROXY"].split("//")[1].split(":")[0].split(".");print(".".join(a[:3]+[str(int(a[3])-1)]))'); echo "gateway $gateway"`;
    const script = [gateway, ...["127.0.0.1", "198.51.100.1", "$gateway"].map((host) => tcp(host, port))].join("\n");
    // It listens on every address of this machine: who has a way to one of them is answered.
    expect(await outside(shell.world, tcp("198.51.100.1", port))).toMatch(/READ b.HTTP\/1\.1 /);
    const { lines } = await shell.run(script);
    expect(lines).toHaveLength(4);
    expect(lines[0]).toMatch(/^gateway 10\.\d+\.\d+\.\d+$/);
    expect(lines.join()).not.toContain("READ");
  });

  test("the proxy's other address, and a permitted name without the proxy", async () => {
    // The first session brings the proxy.
    await shell.run("true");
    const proxy = (await agentdContainers()).find(({ Labels }) => Labels["agentruntime.role"] === "proxy");
    const outer = proxy?.NetworkSettings.Networks[shell.world.network]?.IPAddress ?? "";
    expect(await outside(shell.world, tcp(outer, 3128))).toContain("READ b'HTTP/1.1 40");
    const straight = "curl -sk -m 5 --connect-to allowed.test:443:198.51.100.2:443 https://allowed.test/";
    expect(await outside(shell.world, straight)).toContain("MARKER");
    const { lines } = await shell.run(
      [tcp(outer, 3128), `unset HTTP_PROXY HTTPS_PROXY http_proxy https_proxy; ${straight}; echo "code $?"`].join("\n"),
    );
    expect(lines.join("\n")).not.toMatch(/READ|MARKER/);
    expect(lines).toHaveLength(2);
  });

  test("a name server that has a public address, by UDP: not even the question comes there", async () => {
    const dns = await startNameServer(shell.world);
    const ask = (name: string) =>
      `python3 -c 'import socket;q=bytes.fromhex("123401000001000000000000")+b"".join(bytes([len(l)])+l.encode() for l in "${name}".split("."))+bytes([0,0,1,0,1]);s=socket.socket(2,2);s.settimeout(4);s.sendto(q,("${nameServer}",53));print("FOUND",socket.inet_ntoa(s.recv(512)[-4:]))' 2>&1 | tail -1`;
    expect(await outside(shell.world, ask("from-beside.test"))).toContain(`FOUND ${frontAddress}`);
    const { lines } = await shell.run(ask("from-session.test"));
    expect(lines).toEqual([expect.stringMatching(/^(OSError|TimeoutError|socket\.timeout|timeout)\b/)]);
    const asked = await dns.said();
    expect(asked).toContain("from-beside.test");
    expect(asked).not.toContain("from-session.test");
  });

  test("names through the engine's resolver", async () => {
    const ask = `python3 -c 'import socket;print("FOUND",socket.gethostbyname("allowed.test"))' 2>&1 | tail -1`;
    expect(await outside(shell.world, ask)).toContain("FOUND 198.51.100.");
    const { lines } = await shell.run(ask);
    expect(lines.join()).not.toContain("FOUND");
  });

  test("another session, and that one's side of the proxy", async () => {
    const proxy = `proxy=$(python3 -c 'import os;print(os.environ["HTTPS_PROXY"].split("//")[1].split(":")[0])')`;
    const other = await shell.start(
      `python3 -m http.server 8000 --bind 0.0.0.0 >/dev/null 2>&1 & sleep 1; ${tcp("127.0.0.1", 8000)}; ${proxy}; ${tcp("$proxy", 3128)}; echo "proxy $proxy"; ${wait("over")}`,
    );
    const lines = (events: readonly LoggedEvent[]) => textOf(events, "stdout");
    const said = lines(await shell.log(other, (events) => lines(events).length === 3));
    expect(said.slice(0, 2)).toEqual([
      expect.stringContaining("READ b'HTTP/1.0 200"),
      expect.stringContaining("READ b'HTTP/1.1 4"),
    ]);
    const [container] = await agentdContainers(other);
    const [network] = Object.values(container?.NetworkSettings.Networks ?? {});
    const outer = /^proxy (10\.[\d.]+)$/.exec(said[2] ?? "")?.[1] ?? "";
    const asked = await shell.run(`${tcp(network?.IPAddress ?? "", 8000)}; ${tcp(outer, 3128)}`);
    expect(asked.lines).toHaveLength(2);
    expect(asked.lines.join()).not.toContain("READ");
    await go(other, "over");
    await shell.log(other);
  });
});

describe("in its container an agent", () => {
  test("has no capability, gains none, and is under a filter of system calls", async () => {
    const { lines } = await shell.run(
      `grep -E '^(CapEff|CapBnd|NoNewPrivs|Seccomp):' /proc/self/status | tr -d '\t'; id -u`,
    );
    expect(lines.sort()).toEqual([
      "1000",
      `CapBnd:${"0".repeat(16)}`,
      `CapEff:${"0".repeat(16)}`,
      "NoNewPrivs:1",
      "Seccomp:2",
    ]);
  });

  test("is not root by a program that is root's for whoever starts it", async () => {
    // It waits for a password, as whom it runs.
    const su = `ls -l /usr/bin/su | cut -c1-10; sleep 60 | su -c id & su=$!; for i in $(seq 100); do [ "$(cat /proc/$su/comm)" = su ] && break; sleep 0.1; done; grep ^Uid: /proc/$su/status | tr '\t' ' '; kill $(pgrep -x sleep); wait $su; echo "su $?"`;
    const asUser = `setpriv --reuid=1000 --regid=1000 --clear-groups bash -c "$(echo ${Buffer.from(su).toString("base64")} | base64 -d)"`;
    expect(await outside(shell.world, asUser)).toMatch(/-rws[\s\S]*Uid: 1000 0 0 0\n/);
    const { lines } = await shell.run(su);
    expect(lines).toEqual(["-rwsr-xr-x", "Uid: 1000 1000 1000 1000", "su 1"]);
  });

  test("writes only where it is meant to", async () => {
    const places = ["/x", "/etc/x", "/usr/bin/x", "/opt/agentruntime/x", "/opt/agents/bin/x", "/run/x", "/var/x"];
    const good = ["/workspace/x", "/tmp/x", "/home/agent/x", "/var/tmp/x"];
    const { lines } = await shell.run(
      [...places, ...good].map((path) => `(echo x > ${path}) 2>/dev/null && echo "wrote ${path}"`).join("\n"),
    );
    expect(lines).toEqual(good.map((path) => `wrote ${path}`));
  });

  test("sees neither the data dir, nor the engine's socket, nor anybody's home", async () => {
    const home = await mkdtemp(join(homedir(), "agentd-test-home-"));
    onTestFinished(() => rm(home, { recursive: true }));
    const { lines } = await shell.run(
      `ls -d ${shell.daemon.dataDir} /var/run/docker.sock /run/docker.sock ${home} 2>/dev/null; ls /home; echo over`,
    );
    expect(lines).toEqual(["agent", "over"]);
  });

  test("cannot look into its sidecar, which runs as the same user, and can into a program of its own", async () => {
    const { lines } = await shell.run(
      `sidecar=$(pgrep -f sidecar.js | tail -1); tr '\\0' ' ' </proc/$sidecar/cmdline; echo; grep ^Uid: /proc/$sidecar/status | tr '\t' ' '; echo ${Buffer.from(looksInto).toString("base64")} | base64 -d >/tmp/look.py; python3 /tmp/look.py $sidecar`,
    );
    const [program, user, ...found] = lines;
    expect(program).toMatch(/^\S*loader \S*node \S*sidecar\.js/);
    expect(user).toBe("Uid: 1000 1000 1000 1000");
    expect(found).toEqual([
      "own environ read",
      "own maps read",
      "own mem read",
      "own traced",
      "sidecar environ EACCES",
      "sidecar maps EACCES",
      "sidecar mem EACCES",
      "sidecar traced EPERM",
    ]);
  });

  test("runs out of processes before this machine does, and others have theirs meanwhile", async () => {
    const id = await shell.start(
      `echo ${Buffer.from(forks).toString("base64")} | base64 -d >/tmp/forks.py; python3 /tmp/forks.py; echo after`,
    );
    await shell.log(id, (events) => events.some(({ type }) => type === "stdout"));
    expect((await shell.run("for i in $(seq 50); do sleep 1 & done; wait; echo elsewhere")).lines).toEqual([
      "elsewhere",
    ]);
    await go(id, "go");
    const events = await shell.log(id);
    const lines = textOf(events, "stdout");
    const [, forked = "", refused = ""] = /^forked (\d+), then (\w+)$/.exec(lines[0] ?? "") ?? [];
    // The sidecar and the shell have theirs out of the same 200.
    expect(Number(forked)).toBeGreaterThan(150);
    expect(Number(forked)).toBeLessThan(200);
    expect([refused, ...lines.slice(1)]).toEqual(["EAGAIN", "after"]);
    expect(events.at(-1)).toMatchObject({ type: "exit", data: { code: 0 } });
  });

  test("that uses more memory than it may is killed, and the session goes on", async () => {
    const much = (mebibytes: number) =>
      `python3 -c 'x=bytearray(${mebibytes}<<20);print("had",len(x)>>20)'; echo "code $?"`;
    const { lines, events } = await shell.run(`${much(200)}; ${much(900)}`);
    expect(lines).toEqual(["had 200", "code 0", "code 137"]);
    expect(events.at(-1)).toMatchObject({ type: "exit", data: { code: 0 } });
  });

  test("fills its temporary places and no more", async () => {
    const { lines } = await shell.run(
      `dd if=/dev/zero of=/tmp/big bs=1M count=3000 2>&1 | grep -o 'No space left on device'; echo over`,
    );
    expect(lines).toEqual(["No space left on device", "over"]);
  });
});

describe("what a container leaves in its folders is not followed on this machine:", () => {
  test("a blob that is a link", async () => {
    const secret = await tempDir();
    await writeFile(join(secret.path, "secret.txt"), "SECRET");
    const id = await shell.start(
      `mkdir -p /run/agentruntime/session/blobs; echo fine > /run/agentruntime/session/blobs/good.txt; ln -s ${secret.path}/secret.txt /run/agentruntime/session/blobs/bad.txt; echo ready; sleep 6`,
    );
    await shell.log(id, (events) => events.some(({ type }) => type === "stdout"));
    expect((await shell.daemon.get(`/sessions/${id}/blobs/good.txt`)).text).toBe("fine\n");
    const bad = await shell.daemon.get(`/sessions/${id}/blobs/bad.txt`);
    expect([bad.status, bad.text.includes("SECRET")]).toEqual([404, false]);
    await shell.log(id);
    await secret.remove();
  });

  test("a sidecar's socket that is a link to another one", async () => {
    const id = await shell.start(
      `rm /run/agentruntime/socket/s && ln -s /var/run/docker.sock /run/agentruntime/socket/s; echo ready; sleep 60`,
      { interactive: true },
    );
    await shell.log(id, (events) => events.some(({ type }) => type === "stdout"));
    const { dataDir } = shell.daemon;
    await shell.daemon.kill9();
    shell.daemon = await startDaemon({ dataDir });
    const events = await shell.log(id);
    expect(events.at(-1)?.data["error_category"]).toBe("sidecar_lost");
    expect(JSON.stringify(events)).toContain("is not a socket");
    expect(existsSync(dataDir)).toBe(true);
  });

  test("a sidecar's socket that a server of the agent's has taken: it learns no token, and is not believed", async () => {
    const id = await shell.start(
      `rm /run/agentruntime/socket/s; echo ${Buffer.from(forgedSidecar).toString("base64")} | base64 -d > /tmp/forged.py; python3 /tmp/forged.py & sleep 1; echo ready; sleep 60`,
      { interactive: true },
    );
    await shell.log(id, (events) => events.some(({ data }) => data["text"] === "ready"));
    const { dataDir } = shell.daemon;
    await shell.daemon.kill9();
    shell.daemon = await startDaemon({ dataDir });
    const events = await shell.log(id);
    expect(events.at(-1)?.data["error_category"]).toBe("sidecar_lost");
    expect(JSON.stringify(events)).toContain("does not know the session's token");
    expect(JSON.stringify(events)).not.toContain("FORGED");
    const heard = await readFile(join(dataDir, "sessions", id, "home", "heard"), "latin1");
    const { sidecar } = JSON.parse(await readFile(join(dataDir, "sessions", id, "session.json"), "utf8"));
    // It was connected to, and asked for a proof that it could not give.
    expect(heard).toMatch(/GET \/ws\?after=\d+[\s\S]*agentruntime-challenge/i);
    expect(sidecar.token.length).toBeGreaterThan(16);
    expect(heard).not.toContain(sidecar.token);
  });
});

/**
 * The same calls on a child of its own and on the process that is named: reads what it is told of it, and begins to trace it. A file of memory
 * opens for whoever may look into it, and can be read where something is.
 */
const looksInto = `
import ctypes, errno, os, signal, sys
libc = ctypes.CDLL(None, use_errno=True)
def outcome(act):
    try: return "read" if act() else "empty"
    except OSError as error: return errno.errorcode[error.errno]
def content(pid, what):
    with open(f"/proc/{pid}/{what}", "rb") as file: return file.read()
def memory(pid):
    with open(f"/proc/{pid}/mem", "rb", 0) as file:
        file.seek(int(content(pid, "maps").split(b"-")[0], 16))
        return file.read(16)
def look(who, pid):
    for what in ("environ", "maps"): print(who, what, outcome(lambda: content(pid, what)))
    print(who, "mem", outcome(lambda: memory(pid)))
    failed = libc.ptrace(16, pid, 0, 0) != 0
    print(who, "traced", *([errno.errorcode[ctypes.get_errno()]] if failed else []))
    sys.stdout.flush()
own = os.fork()
if own == 0:
    signal.pause()
look("own", own)
os.waitpid(own, 0)
os.kill(own, 9)
os.waitpid(own, 0)
look("sidecar", int(sys.argv[1]))
`;

/** As many processes as there can be, and all stay until the test says so. */
const forks = `
import errno, os, signal, time
children, refused = [], "nothing"
for _ in range(1000):
    try: child = os.fork()
    except OSError as error:
        refused = errno.errorcode[error.errno]
        break
    if child == 0: signal.pause()
    children.append(child)
print(f"forked {len(children)}, then {refused}", flush=True)
while not os.path.exists("/home/agent/go"): time.sleep(0.1)
for child in children:
    os.kill(child, 9)
    os.waitpid(child, 0)
`;

/** Takes the sidecar's place on its socket: greets as one, sends an event, and writes down what it hears. */
const forgedSidecar = `
import base64, hashlib, json, re, socket, struct
server = socket.socket(socket.AF_UNIX)
server.bind("/run/agentruntime/socket/s")
server.listen()
heard = open("/home/agent/heard", "ab", 0)
def frame(kind, data):
    return bytes([0x80 | kind, 126]) + struct.pack(">H", len(data)) + data
while True:
    client, _ = server.accept()
    asked = client.recv(65536)
    heard.write(asked)
    key = re.search(rb"sec-websocket-key: (\\S+)", asked, re.I).group(1)
    accept = base64.b64encode(hashlib.sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest())
    client.sendall(b"HTTP/1.1 101 Switching Protocols\\r\\nUpgrade: websocket\\r\\nConnection: Upgrade\\r\\n"
        b"agentruntime-challenge: AAAAAAAAAAAAAAAAAAAAAAAA\\r\\nagentruntime-proof: BBBB\\r\\nSec-WebSocket-Accept: " + accept + b"\\r\\n\\r\\n")
    status = {"activity": "idle", "turn_id": None, "background": 0}
    hello = {"protocol": 2, "session_id": "s", "sidecar_seq": 1000, "last_turn": 0, "status": status}
    client.sendall(frame(1, json.dumps({"type": "hello", "data": hello}).encode()))
    client.sendall(frame(2, b'{"type":"stdout","data":{"text":"FORGED"},"ts":1,"sidecar_seq":1}\\n' + b" " * 70))
    try:
        while True:
            more = client.recv(65536)
            if not more: break
            heard.write(more)
    except OSError: pass
`;
