/** `agentd doctor --probe`: a daemon of its own in a temporary folder, the agents as they are found, a scripted model. */
import { mkdtemp, readFile, realpath, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type AgentSettings, type Config, loadConfig } from "../src/config.ts";
import { startDaemon } from "../src/daemon.ts";
import { programOf } from "../src/doctor/agents.ts";
import { type Finding, finding } from "../src/doctor/finding.ts";
import { probeAgent } from "../src/probe/probe.ts";
import { type ScriptedModel, startScriptedModel } from "../src/probe/scripted-model.ts";

/** A key of no use to anybody: the model is ours. */
const keyEnv = "AGENTD_PROBE_KEY";
/** One after the other: they are timed. */
export async function probeAgents(config: Config, note: (line: string) => void): Promise<Finding[]> {
  const wanted = Object.entries(config.agents).filter(([name]) => programOf(config, name) !== undefined);
  const stop = new AbortController();
  const heard = () => stop.abort(new Error("interrupted"));
  for (const signal of stopSignals) process.once(signal, heard);
  const model = await startScriptedModel();
  const dataDir = await realpath(await mkdtemp(join(tmpdir(), "agentd-probe-")));
  try {
    const own = await configFor(config, { dataDir, model, wanted });
    const daemon = await startDaemon(own, () => own);
    try {
      const token = (await readFile(join(dataDir, "token"), "utf8")).trim();
      const address = { url: daemon.url, token, source: "the probe" };
      const findings: Finding[] = [];
      for (const [name, { harness }] of wanted) {
        if (stop.signal.aborted) break;
        if (!canBeProbed(harness)) findings.push(...leftOut(name, harness));
        else {
          note(`Probing ${name} against a scripted model on this machine…`);
          findings.push(...(await probe(name, { address, harness, signal: stop.signal })));
        }
      }
      return findings;
    } finally {
      await daemon.close("the probe is over");
    }
  } finally {
    for (const signal of stopSignals) process.off(signal, heard);
    await model.close();
    await rm(dataDir, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
  }
}

const stopSignals = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

async function probe(
  name: string,
  at: Pick<Parameters<typeof probeAgent>[0], "address" | "signal"> & { harness: AgentSettings["harness"] },
): Promise<Finding[]> {
  const { address, signal, harness } = at;
  // The model that offers Codex's plain tools rather than its code mode, in which a call cannot be scripted.
  const steps = await probeAgent({ address, agent: name, model: harness === "codex" ? "gpt-5.5" : undefined, signal });
  return steps.map(({ step, fault, milliseconds }) =>
    fault === undefined
      ? finding(name, `probe: ${step}`, "ok", `works (${milliseconds} ms)`)
      : finding(name, `probe: ${step}`, "wrong", fault, "See whether the version is a tested one"),
  );
}

const probed: readonly AgentSettings["harness"][] = ["claude", "codex", "opencode"];

function canBeProbed(harness: AgentSettings["harness"]): boolean {
  return probed.includes(harness);
}

function leftOut(name: string, harness: AgentSettings["harness"]): Finding[] {
  if (harness === "generic") return [];
  return [finding(name, "probe", "note", "left out: how to point this program at another model is known to it only")];
}

/** The operator's env is left out: it might name another model service than ours. */
async function configFor(
  config: Config,
  at: { dataDir: string; model: ScriptedModel; wanted: [string, AgentSettings][] },
): Promise<Config> {
  const { dataDir, model, wanted } = at;
  const agents = wanted.map(([name, { harness, args }]) => [
    name,
    { command: programOf(config, name)?.program, args, harness, key_env: keyEnv, base_url: model.url },
  ]);
  const file = join(dataDir, "config.json");
  await writeFile(file, JSON.stringify({ agents: Object.fromEntries(agents) }), { mode: 0o600 });
  return loadConfig({
    flags: { dataDir, config: file, host: "127.0.0.1", port: 0, logLevel: "silent", onShutdown: "stop" },
    environment: { ...withoutWatchers(config.environment), [keyEnv]: "no-key-needed" },
  });
}

/** The service manager and the collector of traces watch the operator's own daemon, not this one. */
function withoutWatchers(environment: Config["environment"]): Config["environment"] {
  return Object.fromEntries(
    Object.entries(environment).filter(([name]) => name !== "NOTIFY_SOCKET" && !name.startsWith("OTEL_")),
  );
}
