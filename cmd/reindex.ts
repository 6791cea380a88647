/** `agentd reindex`: the store made anew from the sessions' folders. */
import * as z from "zod";
import { loadConfig } from "../src/config.ts";
import { reindex } from "../src/reindex.ts";
import type { CommandContext } from "./client-options.ts";
import { exitCode } from "./exit-code.ts";

export const ReindexOptions = z.object({ dataDir: z.string().optional(), config: z.string().optional() });

export async function reindexStore(
  options: z.infer<typeof ReindexOptions>,
  { env, terminal }: CommandContext,
): Promise<number> {
  const config = loadConfig({ flags: options, environment: env });
  const { ended, removed, foreign, skipped, aside } = await reindex(config, (message) => terminal.note(message));
  if (aside !== undefined)
    terminal.note(
      `The store could not be used and was put aside as ${aside}: idempotency keys, named tokens and chats in it are forgotten`,
    );
  terminal.note(
    `Indexed ${ended} ended sessions, ${removed} logs of deleted ones and ${foreign} of the Go daemon. Live sessions are taken over at the next start`,
  );
  return skipped === 0 ? exitCode.ok : exitCode.failure;
}
