/** `agentd images build`: the images that sessions in containers and their proxy are made of. */
import * as z from "zod";
import { buildImages } from "../src/images.ts";
import type { CommandContext } from "./client-options.ts";
import { exitCode } from "./exit-code.ts";
import { plainLine } from "./plain-text.ts";

export const ImagesOptions = z.object({
  dockerHost: z.string().optional(),
  agentBase: z.string().optional(),
  proxyBase: z.string().optional(),
});

export async function buildAll(
  kind: string | undefined,
  options: z.infer<typeof ImagesOptions>,
  context: CommandContext,
): Promise<number> {
  await buildImages({
    kinds: kind === "agent" || kind === "proxy" ? [kind] : ["agent", "proxy"],
    host: options.dockerHost,
    bases: {
      ...(options.agentBase === undefined ? {} : { agent: options.agentBase }),
      ...(options.proxyBase === undefined ? {} : { proxy: options.proxyBase }),
    },
    onLine: (line) => context.terminal.out(`${plainLine(line, 2000)}\n`),
  });
  return exitCode.ok;
}
