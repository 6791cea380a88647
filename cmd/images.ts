/** `agentd images build`: the images that sessions in containers and their proxy are made of, and that of the daemon. */
import * as z from "zod";
import { buildImages } from "../src/images.ts";
import type { CommandContext } from "./client-options.ts";
import { exitCode } from "./exit-code.ts";
import { plainLine } from "./plain-text.ts";
import type { Progress } from "./progress.ts";
import type { Terminal } from "./terminal.ts";

export const ImagesOptions = z.object({
  dockerHost: z.string().optional(),
  agentBase: z.string().optional(),
  proxyBase: z.string().optional(),
  daemonBase: z.string().optional(),
});

export async function buildAll(
  kind: string | undefined,
  options: z.infer<typeof ImagesOptions>,
  context: CommandContext,
): Promise<number> {
  const { terminal } = context;
  const progress = terminal.progress();
  await buildImages({
    kinds: kind === "agent" || kind === "proxy" || kind === "daemon" ? [kind] : ["agent", "proxy"],
    host: options.dockerHost,
    bases: {
      ...(options.agentBase === undefined ? {} : { agent: options.agentBase }),
      ...(options.proxyBase === undefined ? {} : { proxy: options.proxyBase }),
      ...(options.daemonBase === undefined ? {} : { daemon: options.daemonBase }),
    },
    onLine: (line) => showStep(line, { progress, out: terminal.out }),
  }).finally(progress.end);
  return exitCode.ok;
}

/** What the builder says about a step is of interest until the next one; an error quotes the last. */
export function showStep(line: string, { progress, out }: { progress: Progress; out: Terminal["out"] }): void {
  if (progress.isOneLine && line.startsWith("  ")) progress.say(plainLine(line, 2000));
  else out(`${plainLine(line, 2000)}\n`);
}
