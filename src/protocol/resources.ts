/** What a session may use of the machine: asked for in a request, within what the operator permits. */
import * as z from "zod";

const units: Readonly<Record<string, number>> = { "": 1, k: 1024, m: 1024 ** 2, g: 1024 ** 3, t: 1024 ** 4 };

/** Below that no agent starts, and the kernel would kill it for reasons that nobody understands. */
const memoryBytesMin = 16 * 1024 * 1024;
/** A process counts with its threads: Node alone has a dozen. */
const pidsMin = 32;

/** Bytes as a number, or a text such as `"512m"` or `"4g"`, in powers of 1024. */
export const MemorySize = z
  .union(
    [
      z.number(),
      z
        .string()
        .regex(/^\d{1,12}(\.\d{1,6})?[kmgt]?b?$/i)
        .transform(bytesOf),
    ],
    {
      error: 'memory is bytes, or a text such as "512m" or "4g"',
    },
  )
  .pipe(z.number().int().min(memoryBytesMin, "memory must be at least 16 MiB").max(Number.MAX_SAFE_INTEGER));

export const CpuCount = z.number().min(0.01, "cpus must be at least 0.01").max(4096);
export const PidCount = z.number().int().min(pidsMin, `pids must be at least ${pidsMin}`).max(4_194_304);

/** `resources` of a request: the same for every runtime. */
export const Resources = z.strictObject({
  memory: MemorySize.optional(),
  /** Processors, also parts of one. */
  cpus: CpuCount.optional(),
  /** Processes and threads. */
  pids: PidCount.optional(),
});
export type Resources = z.infer<typeof Resources>;

/** What holds for one session, in the order of `Resources`. */
export const ResourceLimits = z.object({
  memory_bytes: z.number().optional(),
  cpus: z.number().optional(),
  pids: z.number().optional(),
});
export type ResourceLimits = z.infer<typeof ResourceLimits>;

export const limitKinds = ["memory", "cpus", "pids"] as const;
export type LimitKind = (typeof limitKinds)[number];

/** Where a kind of limit is kept. */
export const limitKeys = { memory: "memory_bytes", cpus: "cpus", pids: "pids" } as const satisfies Record<
  LimitKind,
  keyof ResourceLimits
>;

function bytesOf(text: string): number {
  const [, count = "", unit = ""] = /^([\d.]+)([kmgt]?)b?$/i.exec(text) ?? [];
  return Math.floor(Number(count) * (units[unit.toLowerCase()] ?? 1));
}
