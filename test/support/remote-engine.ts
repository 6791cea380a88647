/**
 * An engine as on another machine: reached by TCP and TLS with certificates of both sides, and seeing none of the folders in
 * which tests and daemons work.
 */
import { chmod, mkdir, writeFile } from "node:fs/promises";
import { connect, createServer, type Socket } from "node:net";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { execa } from "execa";
import { eventually } from "./eventually.ts";
import { makeOwnEngine, type OwnEngine } from "./own-engine.ts";
import { tempDir } from "./temp-dir.ts";

export interface RemoteEngine extends OwnEngine {
  /** Its socket, as the machine that it is on has it. */
  socket: string;
  /** For `docker.cert_path`. */
  certificates: string;
  /** Breaks all connections to it; new ones can be made. */
  cut(): void;
  /** It says nothing any more, on old connections and on new ones, which can be made. */
  hush(): void;
  /** All that was said meanwhile arrives, both ways. */
  speak(): void;
}

const program = fileURLToPath(new URL("../fixtures/docker/forward.mjs", import.meta.url));
const port = 2376;

export async function makeRemoteEngine(): Promise<RemoteEngine> {
  const folder = await tempDir();
  const certificates = join(folder.path, "client");
  const server = join(folder.path, "server");
  await makeCertificates(folder.path, { certificates, server });
  const own = await makeOwnEngine({
    hidden: true,
    tls: { port, ca: join(server, "ca.pem"), cert: join(server, "cert.pem"), key: join(server, "key.pem") },
  });
  const path = join(folder.path, "forward");
  const quiet = { stdin: "ignore", reject: false } as const;
  const forwarder = execa(
    "nsenter",
    ["-t", String(own.holder), "--net", process.execPath, program, path, String(port)],
    quiet,
  );
  const clients = new Set<Socket>();
  const pairs = new Map<Socket, Socket>();
  let isSilent = false;
  const joined = (client: Socket, service: Socket) => client.pipe(service).pipe(client);
  const listener = createServer((client) => {
    clients.add(client);
    const service = connect(path);
    client.on("error", () => service.destroy()).on("close", () => clients.delete(client) && service.destroy());
    service.on("error", () => client.destroy()).on("close", () => client.destroy());
    pairs.set(client, service);
    client.on("close", () => pairs.delete(client));
    if (!isSilent) joined(client, service);
  });
  await new Promise<void>((resolve) => listener.listen(0, "127.0.0.1", resolve));
  const cut = () => {
    for (const client of clients) client.destroy();
  };
  const hush = () => {
    isSilent = true;
    for (const [client, service] of pairs) {
      client.unpipe(service).pause();
      service.unpipe(client).pause();
    }
  };
  const speak = () => {
    if (!isSilent) return;
    isSilent = false;
    for (const [client, service] of pairs) joined(client, service);
  };
  const address = listener.address();
  await eventually(
    () =>
      new Promise<boolean>((resolve) => {
        const probe = connect(path, () => resolve(true));
        probe.on("error", () => resolve(false)).on("connect", () => probe.destroy());
      }),
    { what: "the way to the engine" },
  );
  return {
    ...own,
    socket: own.host,
    host: `tcp://127.0.0.1:${typeof address === "object" && address ? address.port : 0}`,
    certificates,
    cut,
    hush,
    speak,
    remove: async () => {
      cut();
      listener.close();
      forwarder.kill("SIGKILL");
      await forwarder;
      await own.remove();
      await folder.remove();
    },
  };
}

export async function makeCertificates(
  folder: string,
  { certificates, server }: { certificates: string; server: string },
): Promise<void> {
  const openssl = (args: string, ...more: string[]) => execa("openssl", [...args.split(" "), ...more]);
  const fresh = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes";
  const at = (name: string) => join(folder, name);
  await openssl(`req -x509 ${fresh} -days 30 -subj /CN=authority`, "-keyout", at("ca.key"), "-out", at("ca.pem"));
  const sides: [place: string, extensions: string][] = [
    [server, "subjectAltName=IP:127.0.0.1\nextendedKeyUsage=serverAuth\n"],
    [certificates, "extendedKeyUsage=clientAuth\n"],
  ];
  for (const [place, extensions] of sides) {
    await mkdir(place);
    await execa("cp", [at("ca.pem"), join(place, "ca.pem")]);
    await writeFile(at("extensions"), extensions);
    await openssl(`req ${fresh} -subj /CN=side`, "-keyout", join(place, "key.pem"), "-out", at("csr"));
    const signing = ["-CA", at("ca.pem"), "-CAkey", at("ca.key"), "-extfile", at("extensions")];
    await openssl("x509 -req -days 30 -CAcreateserial", "-in", at("csr"), "-out", join(place, "cert.pem"), ...signing);
    await chmod(join(place, "key.pem"), 0o600);
  }
}
