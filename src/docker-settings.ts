/** The configuration of containers and of what they may reach. */
import * as z from "zod";
import { CpuCount, MemorySize } from "./protocol/container.ts";
import { EgressMode, HostPatterns } from "./protocol/egress.ts";
import { HostService } from "./protocol/host-service.ts";
import { isRange } from "./runtime/docker/subnets.ts";

export const DockerSettings = z.strictObject({
  /** The engine's socket; by default DOCKER_HOST, else /var/run/docker.sock. */
  host: z.string().min(1).optional(),
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
});
export type EgressSettings = z.infer<typeof EgressSettings>;
