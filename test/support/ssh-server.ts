/**
 * A real sshd on a port of the loopback, with keys and a configuration of its own, that leads to this user of this machine; and
 * what an `ssh` needs to reach it. No service is started, and nothing of the person's is read.
 */
import { existsSync } from "node:fs";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { userInfo } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { execa } from "execa";
import { eventually } from "./eventually.ts";

export const hasSshd = existsSync("/usr/sbin/sshd");

export interface SshServer {
  /** `ssh://USER@engine.test:PORT`, a name that only this configuration knows. */
  url: string;
  /** The same by its address, for who has another configuration. */
  direct: string;
  /** Of one whom it lets in, and of those whom that one knows. */
  files: { key: string; known: string };
  /** For whoever calls `ssh`. */
  env: Record<string, string>;
  /** How it was called, a line each. */
  calls(): Promise<string>;
  /** The host's key becomes another one's, as when somebody stands in between. */
  forgetHost(): Promise<void>;
  stop(): Promise<void>;
}

/** `environment` is what programs have that are run over it. It listens on loopback, or at an address that others see. */
export async function startSshServer(
  folder: string,
  environment: Record<string, string>,
  { address = "127.0.0.1" }: { address?: string } = {},
): Promise<SshServer> {
  const at = (name: string) => join(folder, name);
  await mkdir(folder, { recursive: true, mode: 0o700 });
  for (const name of ["host", "client", "another"])
    await execa("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-f", at(name)]);
  const port = await freePort(address);
  const knownAs = async (name: string) =>
    writeFile(at("known"), `[${address}]:${port} ${await readFile(at(`${name}.pub`), "utf8")}`);
  await knownAs("host");
  await writeFile(at("authorized"), await readFile(at("client.pub")), { mode: 0o600 });
  await writeFile(at("sshd.conf"), serverConfig({ address, port, at, environment }));
  await writeFile(at("ssh.conf"), clientConfig({ address, port, at }));
  // As root it wants a folder below /run: one that only it sees.
  const script = `mount -t tmpfs none /run && mkdir /run/sshd && exec /usr/sbin/sshd -D -e -f '${at("sshd.conf")}'`;
  const server = execa("unshare", ["--mount", "--propagation", "private", "sh", "-c", script], {
    stdin: "ignore",
    reject: false,
    forceKillAfterDelay: false,
  });
  const env = {
    PATH: `${fileURLToPath(new URL("../fixtures/docker", import.meta.url))}:${process.env["PATH"]}`,
    SSH_CALLS: at("calls"),
    SSH_CONFIG: at("ssh.conf"),
  };
  await eventually(async () => (await execa("ssh", ["engine.test", "true"], { env, reject: false })).exitCode === 0, {
    what: "the start of sshd",
  });
  return {
    url: `ssh://${userInfo().username}@engine.test:${port}`,
    direct: `ssh://${userInfo().username}@${address}:${port}`,
    files: { key: at("client"), known: at("known") },
    env,
    calls: () => readFile(at("calls"), "utf8"),
    forgetHost: () => knownAs("another"),
    stop: async () => {
      server.kill("SIGTERM");
      await server;
    },
  };
}

function serverConfig(options: {
  address: string;
  port: number;
  at(name: string): string;
  environment: Record<string, string>;
}): string {
  const { address, port, at, environment } = options;
  const variables = Object.entries(environment).map(([name, value]) => `${name}=${value}`);
  return [
    `Port ${port}`,
    `ListenAddress ${address}`,
    `HostKey ${at("host")}`,
    `AuthorizedKeysFile ${at("authorized")}`,
    "PidFile none",
    "UsePAM no",
    "PasswordAuthentication no",
    "KbdInteractiveAuthentication no",
    "PermitRootLogin prohibit-password",
    // The folder of a test lies below one that others may write to.
    "StrictModes no",
    // Each call to the engine is a connection of its own; they come together.
    "MaxStartups 100",
    `SetEnv ${variables.join(" ")}`,
    "",
  ].join("\n");
}

function clientConfig(options: { address: string; port: number; at(name: string): string }): string {
  const { address, port, at } = options;
  return [
    "Host engine.test",
    `HostName ${address}`,
    `Port ${port}`,
    `IdentityFile ${at("client")}`,
    "IdentitiesOnly yes",
    `UserKnownHostsFile ${at("known")}`,
    "StrictHostKeyChecking yes",
    "",
  ].join("\n");
}

async function freePort(address: string): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, address, resolve));
  const listening = server.address();
  await new Promise((resolve) => server.close(resolve));
  return typeof listening === "object" && listening ? listening.port : 0;
}
