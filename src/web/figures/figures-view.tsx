/** Charts of what the daemon does: sessions and events as they come, spending by day and by agent, and what was refused. */
import { useComputed } from "@preact/signals";
import { visible } from "../../client/visible.ts";
import type { SessionView } from "../../protocol/http.ts";
import { NetworkView } from "../session/network-view.tsx";
import { ended, history, live } from "../sessions/watch.ts";
import { costText, countText } from "../text/format.ts";
import { Bars, Line } from "./charts.tsx";

const daysShown = 14;

export function FiguresView() {
  const all = useComputed(() => [...live.value, ...ended.value]);
  const points = history.value;
  const busy = points.at(-1)?.busy ?? 0;
  const rate = points.at(-1)?.eventsPerS ?? 0;
  const spent = all.value.reduce((sum, { cost_usd }) => sum + (cost_usd ?? 0), 0);
  return (
    <div class="figures-view">
      <h1>Figures</h1>
      <p class="dim">
        Of the newest thousand live and ended sessions each; figures in time since this page was opened.
      </p>
      <div class="charts">
        <Line
          title="Live sessions"
          now={`${live.value.length}, ${busy} busy`}
          values={points.map((point) => point.live)}
        />
        <Line title="Events a second" now={rate.toFixed(1)} values={points.map((point) => point.eventsPerS)} />
        <Bars title="Spend by day" now={costText(spent)} bars={byDay(all.value)} text={costText} />
        <Bars
          title="Spend by agent"
          now=""
          bars={byAgent(all.value, ({ cost_usd }) => cost_usd ?? 0)}
          text={costText}
        />
        <Bars title="Tokens by agent" now="" bars={byAgent(all.value, tokensOf)} text={countText} />
      </div>
      <h2>Refused by the proxy</h2>
      <NetworkView />
    </div>
  );
}

function tokensOf(view: SessionView): number {
  return (view.input_tokens ?? 0) + (view.output_tokens ?? 0);
}

function byAgent(views: readonly SessionView[], of: (view: SessionView) => number) {
  const sums = new Map<string, number>();
  for (const view of views) sums.set(view.agent, (sums.get(view.agent) ?? 0) + of(view));
  return [...sums].map(([agent, value]) => ({ label: visible(agent), value })).sort((a, b) => b.value - a.value);
}

/** By the day on which a session was created, the last two weeks of them. */
function byDay(views: readonly SessionView[]) {
  const sums = new Map<string, number>();
  for (const { created_at, cost_usd } of views) {
    const day = created_at.slice(0, 10);
    sums.set(day, (sums.get(day) ?? 0) + (cost_usd ?? 0));
  }
  const days = [...sums].sort(([a], [b]) => (a < b ? -1 : 1)).slice(-daysShown);
  return days.map(([day, value]) => ({ label: day.slice(5), value }));
}
