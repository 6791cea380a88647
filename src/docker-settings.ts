/** The configuration of containers and of what they may reach. */
import * as z from "zod";
import { CpuCount, MemorySize } from "./protocol/container.ts";
import { Duration } from "./protocol/duration.ts";
import { EgressMode, HostPatterns } from "./protocol/egress.ts";
import { HostService } from "./protocol/host-service.ts";
import type { EngineAddress } from "./runtime/docker/engine-address.ts";
import { isRange } from "./runtime/docker/subnets.ts";

/** Many containers that start at once on a small machine wait for each other. */
const answerMs = 60_000;

export const DockerSettings = z.strictObject({
  /** Where the engine is; by default DOCKER_HOST, else the socket /var/run/docker.sock. */
  host: z.string().min(1).optional(),
  /** Folder with ca.pem, cert.pem and key.pem for an engine on another machine; by default DOCKER_CERT_PATH. */
  cert_path: z.string().min(1).optional(),
  /** How long the engine may take over one answer; one that says nothing for longer counts as away. */
  answer_timeout: Duration.default(answerMs),
  /** The most that a work dir or a private home may hold to be copied to an engine on another machine. */
  copy_size: MemorySize.prefault("4g"),
  image: z.string().min(1).default("agentruntime-agent:latest"),
  proxy_image: z.string().min(1).default("agentruntime-proxy:latest"),
  /** Images besides `image` that requests may name. */
  images: z.array(z.string().min(1)).default([]),
  /** What a session may use, and the most that a request may ask for. */
  memory: MemorySize.prefault("4g"),
  cpus: CpuCount.prefault(2),
  /** Processes and threads of a session. */
  pids: z.number().int().positive().default(1024),
  /** Of each temporary place in memory (/tmp, a work dir that nobody named). */
  scratch_size: MemorySize.prefault("1g"),
  /** Containers of the kind that began last which wait for the next session while sessions are there. */
  ready_containers: z.number().int().min(0).max(16).default(0),
  /** Whom containers run as where the work dir belongs to root, or where there is none. */
  uid: z.number().int().positive().default(1000),
  gid: z.number().int().positive().default(1000),
  /** Out of which each session gets a subnet of eight addresses. */
  subnets: z
    .string()
    .refine(isRange, 'a range of at least eight addresses such as "10.231.0.0/16"')
    .default("10.231.0.0/16"),
  /** A network by which the proxy goes out; one of its own by default. */
  egress_network: z.string().min(1).optional(),
  /** PEM file with the authorities that agents trust instead of the image's own. */
  ca_file: z.string().min(1).optional(),
  /** Networks that a request may ask for in addition: they are not watched by the proxy. */
  networks: z.array(z.string().min(1)).default([]),
  security_opts: z.array(z.string().min(1)).default([]),
  /** Folders and files of this machine that every session sees, such as the programs of hooks; read-only unless it says otherwise. */
  mounts: z
    .array(
      z.strictObject({
        host: z.string().startsWith("/", "an absolute path"),
        container: z.string().startsWith("/", "an absolute path"),
        mode: z.enum(["ro", "rw"]).default("ro"),
      }),
    )
    .default([]),
  /** Named volumes that a request may mount. */
  volumes: z.array(z.string().min(1)).default([]),
});
export type DockerSettings = z.infer<typeof DockerSettings>;

/** What was configured, else what the environment says, as the docker command reads it. */
export function engineAddress(
  { host, cert_path, answer_timeout }: Pick<Partial<DockerSettings>, "host" | "cert_path" | "answer_timeout">,
  environment: Readonly<Record<string, string | undefined>>,
): EngineAddress {
  return {
    host: host ?? (environment["DOCKER_HOST"] || "unix:///var/run/docker.sock"),
    certificates: cert_path ?? (environment["DOCKER_CERT_PATH"] || undefined),
    answerMs: answer_timeout ?? answerMs,
    environment,
  };
}

/** A proxy by which everything goes out, with its password, if it wants one, as URLs have it. */
const UpstreamProxy = z.string().transform((text, context) => {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const isPlain = url?.protocol === "http:" && url.pathname === "/" && url.search === "" && url.hash === "";
  if (isPlain && url.hostname !== "" && isWord(url.username, /[:\0\r\n]/) && isWord(url.password, /[\0\r\n]/))
    return text;
  // What was found is not repeated: there may be a password in it.
  context.addIssue({ code: "custom", message: 'expected "http://HOST:PORT" or "http://USER:PASSWORD@HOST:PORT"' });
  return z.NEVER;
});

/** Basic authentication ends a user's name at the first colon, and no header holds the end of a line. */
function isWord(encoded: string, forbidden: RegExp): boolean {
  try {
    return !forbidden.test(decodeURIComponent(encoded));
  } catch {
    return false;
  }
}

export const EgressSettings = z.strictObject({
  mode: EgressMode.default("enforce"),
  /** Names that every session may reach, besides its model's. */
  allow: HostPatterns.default([]),
  /** Names that a request may add. */
  permit: HostPatterns.default([]),
  /** Single services, of this machine or another, that requests may name, and their tool servers with `${HOST_GATEWAY}`. */
  host_services: z
    .array(HostService)
    .refine((services) => new Set(services.map(({ name }) => name)).size === services.length, "two have one name")
    .default([]),
  /** By which the proxy of the containers goes out, and what of the daemon's goes to models and logins. */
  upstream_proxy: UpstreamProxy.optional(),
  /** PEM files with authorities to trust in addition, in containers and by what of the daemon's goes out. */
  ca_certificates: z.array(z.string().min(1)).default([]),
});
export type EgressSettings = z.infer<typeof EgressSettings>;
