/** `agentd agents install` and `uninstall`: the tested versions of the agents' programs, in the data dir. */
import * as z from "zod";
import { dataDirOf } from "../src/config.ts";
import { installAgent, uninstallAgent } from "../src/runtime/install-agent.ts";
import { TestedName, testedAgents } from "../src/runtime/tested-agents.ts";
import type { CommandContext } from "./client-options.ts";
import { exitCode, UsageError } from "./exit-code.ts";

export const InstallOptions = z.object({
  dataDir: z.string().optional(),
  force: z.boolean().default(false),
  json: z.boolean().default(false),
});

/** Without names: all. One that fails does not keep the others from being installed. */
export async function installAgents(
  typed: readonly string[],
  options: z.infer<typeof InstallOptions>,
  { env, terminal }: CommandContext,
): Promise<number> {
  const names = typed.length === 0 ? TestedName.options : checked(typed);
  const dataDir = dataDirOf(options.dataDir, env);
  const stop = new AbortController();
  const heard = () => stop.abort();
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, heard);
  const done: object[] = [];
  let failures = 0;
  for (const name of names) {
    if (stop.signal.aborted) break;
    const progress = terminal.progress();
    try {
      const { version, program, isNew } = await installAgent({
        dataDir,
        name,
        isForced: options.force,
        note: progress.isOneLine ? progress.say : terminal.note,
        signal: stop.signal,
      });
      if (!isNew) terminal.note(`${name} ${version} is installed already; --force does it again`);
      if (options.json) done.push({ name, version, program, is_new: isNew });
      else terminal.out(`${name} ${version} ${program}\n`);
    } catch (error) {
      failures++;
      terminal.note(`agentd: ${error instanceof Error ? error.message : String(error)}`);
    } finally {
      progress.end();
    }
  }
  if (options.json) terminal.out(`${JSON.stringify(done, undefined, 2)}\n`);
  return failures === 0 && !stop.signal.aborted ? exitCode.ok : exitCode.failure;
}

export const UninstallOptions = z.object({ dataDir: z.string().optional() });

export async function uninstallAgents(
  typed: readonly string[],
  options: z.infer<typeof UninstallOptions>,
  { env, terminal }: CommandContext,
): Promise<number> {
  const dataDir = dataDirOf(options.dataDir, env);
  for (const name of checked(typed)) {
    const wasThere = await uninstallAgent(dataDir, name);
    terminal.note(
      wasThere ? `${name} is no longer installed in ${dataDir}` : `${name} was not installed in ${dataDir}`,
    );
  }
  return exitCode.ok;
}

function checked(typed: readonly string[]): TestedName[] {
  return [...new Set(typed)].map((name) => {
    const known = TestedName.safeParse(name);
    if (known.success) return known.data;
    const all = Object.entries(testedAgents).map(([each, { title }]) => `${each} (${title})`);
    throw new UsageError(
      `Cannot install "${name}": agentd installs ${all.join(", ")}. Install others in their makers' own way, and name them under agents in the configuration`,
    );
  });
}
