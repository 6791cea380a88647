/** What the way through a session's proxy costs: the same program, in a session and in a container beside the proxy. */
import { startDockerShell } from "../support/docker-shell.ts";
import { outside } from "../support/docker-world.ts";
import { percentile } from "./process-figures.ts";
import type { Figure } from "./row.ts";

const name = "bench.test";
const rounds = 3;
const smalls = 100;
const largeBytes = 256 * 1024 * 1024;

export async function proxyCost(): Promise<Figure[]> {
  const shell = await startDockerShell([name], { config: { egress: { allow: [name] } } });
  try {
    const straights: Cost[] = [];
    const throughs: Cost[] = [];
    // In turns, so that whatever else the machine does is in both.
    for (let round = 0; round < rounds; round++) {
      straights.push(parsed(await outside(shell.world, `python3 -c '${client}'`)));
      throughs.push(parsed((await shell.run(`python3 -c '${client}'`)).lines.join("\n")));
    }
    const [straight, through] = [middle(straights), middle(throughs)];
    return [
      {
        name: "a small request on a connection of its own, through the proxy, p50",
        value: through.small,
        unit: "ms",
        note: `straight ${straight.small.toFixed(1)} ms`,
      },
      {
        name: `${largeBytes / 1024 ** 2} MiB through the proxy`,
        value: through.large,
        unit: "MB/s",
        note: `straight ${straight.large.toFixed(0)} MB/s`,
      },
    ];
  } finally {
    await shell.stop();
  }
}

interface Cost {
  /** ms */
  small: number;
  /** MB/s */
  large: number;
}

function middle(costs: readonly Cost[]): Cost {
  const of = (key: keyof Cost) =>
    percentile(
      costs.map((cost) => cost[key]),
      0.5,
    );
  return { small: of("small"), large: of("large") };
}

function parsed(text: string): Cost {
  const found = /FIGURES (\S+) (\S+)/.exec(text);
  if (!found) throw new Error(`The client in the container measured nothing: ${text}`);
  return { small: Number(found[1]), large: Number(found[2]) };
}

const client = `
import os, socket, ssl, time
via = os.environ.get("HTTPS_PROXY")
context = ssl.create_default_context()
context.check_hostname = False
context.verify_mode = ssl.CERT_NONE
def connected():
    if not via: return socket.create_connection(("198.51.100.2", 443), 10)
    host, port = via.split("//")[1].split(":")
    raw = socket.create_connection((host, int(port)), 10)
    raw.sendall(b"CONNECT ${name}:443 HTTP/1.1\\r\\nHost: ${name}:443\\r\\n\\r\\n")
    assert b" 200 " in raw.recv(4096)
    return raw
def get(count):
    start = time.monotonic()
    tls = context.wrap_socket(connected(), server_hostname="${name}")
    tls.sendall(b"GET /bytes/%d HTTP/1.1\\r\\n\\r\\n" % count)
    total = 0
    while True:
        got = tls.recv(262144)
        if not got: break
        total += len(got)
    assert total > count
    return time.monotonic() - start
get(10)
times = sorted(get(10) for _ in range(${smalls}))
print("FIGURES", times[${smalls / 2}] * 1000, ${largeBytes} / 1e6 / get(${largeBytes}))
`;
