/** The words of `agentd doctor`. */
import type { Command } from "commander";
import type { CommandContext } from "./client-options.ts";
import { DoctorOptions, doctor } from "./doctor.ts";
import { parsePort } from "./option-values.ts";

export function addDoctorOptions(command: Command, context: CommandContext): void {
  command
    .option(
      "--probe",
      "also try each agent once, against a scripted model on this machine: no key, no network, no cost",
    )
    .option("--data-dir <dir>", "the daemon's data dir (else AGENTRUNTIME_DATA_DIR)")
    .option("--config <file>", "the daemon's configuration file (default config.json in the data dir)")
    .option("--port <port>", "the port that a daemon would take (default listen.port, else 8090)", parsePort)
    .option("--json", "print what was found as JSON")
    .addHelpText("after", "\nExit codes: 0 when nothing is wrong (warnings are not), 1 when something is.")
    .action(async (names: string[], options: unknown) =>
      context.exit(await doctor(names, DoctorOptions.parse(options), context)),
    );
}
