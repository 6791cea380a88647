/** How fast one session flows end to end, against the relay that only moves the bytes. */
import { startDaemon } from "../../support/start-daemon.ts";
import { agentOf, claudeFloodCommand, floodCommand } from "../agents.ts";
import { percentile } from "../process-figures.ts";
import type { Figure, RowOptions } from "../row.ts";
import { type Flow, flowThroughDaemon, flowThroughRelay } from "../stream.ts";

const floods = [
  { label: "plain lines", agent: "flood", command: floodCommand(400_000), go: "go\n" },
  {
    label: "Claude deltas",
    agent: "claude",
    command: claudeFloodCommand(150_000),
    go: `${JSON.stringify({ type: "user", message: { role: "user", content: "go" } })}\n`,
  },
];

export async function oneSession({ runs }: RowOptions): Promise<Figure[]> {
  const agents = { flood: agentOf(floods[0]?.command ?? []), claude: agentOf(floods[1]?.command ?? [], "claude") };
  const daemon = await startDaemon({ config: { agents } });
  try {
    const figures: Figure[] = [];
    for (const { label, agent, command, go } of floods) {
      const pairs: { ours: Flow; relay: Flow }[] = [];
      // One after the other, so that both meet the same machine.
      for (let i = 0; i < runs; i++)
        pairs.push({ relay: await flowThroughRelay(command, { go }), ours: await flowThroughDaemon(daemon, agent) });
      figures.push(...figuresOf(label, pairs));
    }
    return figures;
  } finally {
    await daemon.stop();
  }
}

function figuresOf(label: string, pairs: readonly { ours: Flow; relay: Flow }[]): Figure[] {
  const middle = (pick: (pair: { ours: Flow; relay: Flow }) => number) => percentile(pairs.map(pick), 0.5);
  const rate = ({ events, seconds }: Flow) => events / seconds;
  const cpu = (name: string) => middle(({ ours }) => ((ours.cpuMs[name] ?? 0) * 1000) / ours.events);
  return [
    {
      name: `one session, ${label}: share of the relay's events/s`,
      value: middle(({ ours, relay }) => rate(ours) / rate(relay)),
      unit: "",
      target: { atLeast: 0.35 },
      note: `${Math.round(middle(({ ours }) => rate(ours))).toLocaleString("en-US")} of ${Math.round(middle(({ relay }) => rate(relay))).toLocaleString("en-US")} events/s, ${middle(({ ours }) => ours.bytes / ours.seconds / 1e6).toFixed(0)} MB/s of log`,
    },
    { name: `one session, ${label}: sidecar`, value: cpu("sidecar"), unit: "µs of processor an event" },
    { name: `one session, ${label}: daemon`, value: cpu("daemon"), unit: "µs of processor an event" },
  ];
}
