/** What a session may be asked to have as a container. */
import * as z from "zod";

/** Docker's own spelling: `512m`, `4g`, or a number of bytes. */
export const MemorySize = z.union([z.number().int().positive(), z.string()]).transform((size, context) => {
  if (typeof size === "number") return size;
  const found = /^(\d+(?:\.\d+)?)([bkmg]?)b?$/i.exec(size);
  const unit = { "": 1, b: 1, k: 1024, m: 1024 ** 2, g: 1024 ** 3 }[found?.[2]?.toLowerCase() ?? "b"];
  const bytes = Math.floor(Number(found?.[1]) * (unit ?? 1));
  if (found && bytes > 0) return bytes;
  context.addIssue({
    code: "custom",
    message: `expected a size such as "512m" or "4g", found ${JSON.stringify(size)}`,
  });
  return z.NEVER;
});

/** Processors: 1.5, or as text, as older clients send it. */
export const CpuCount = z.union([z.number(), z.string().regex(/^\d+(\.\d+)?$/)]).transform((count, context) => {
  const value = Number(count);
  if (value > 0 && value <= 1024) return value;
  context.addIssue({ code: "custom", message: `expected a number of processors such as 2, found ${count}` });
  return z.NEVER;
});

/** `container` of a request. */
export const ContainerRequest = z.strictObject({
  image: z.string().min(1).optional(),
  memory: MemorySize.optional(),
  cpus: CpuCount.optional(),
  network: z.string().min(1).optional(),
  security_opt: z.array(z.string()).optional(),
});
export type ContainerRequest = z.infer<typeof ContainerRequest>;

/** A folder of this machine, or a named volume, in the container. */
export const ContainerMount = z.object({
  type: z.enum(["bind", "volume"]),
  source: z.string(),
  target: z.string(),
  read_only: z.boolean(),
});
export type ContainerMount = z.infer<typeof ContainerMount>;

/** Where a session's `memory_path` is mounted. */
export const memoryTarget = "/run/agentruntime/memory";

/** Decided: what the container of a session is like. */
export const ContainerSpec = z.object({
  image: z.string(),
  memory_bytes: z.number(),
  cpus: z.number(),
  /** A network of the operator's besides the session's own. */
  network: z.string().optional(),
  security_opt: z.array(z.string()),
  mounts: z.array(ContainerMount),
  /** Its command has a terminal. */
  has_pty: z.boolean().optional(),
});
export type ContainerSpec = z.infer<typeof ContainerSpec>;
