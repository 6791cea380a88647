/** All sessions, asked for as long as the page is looked at. */
import { signal } from "@preact/signals";
import { pause } from "../../client/retry.ts";
import { listNewest } from "../../client/sessions.ts";
import type { SessionView } from "../../protocol/http.ts";
import { address, noteFault } from "../page/standing.ts";

/** What one answer lists, the newest first: live ones, and ended ones. */
const listedMax = 1000;
const everyMs = 2000;
/** Ended ones do not change; some come when live ones go. */
const endedEvery = 15;
export const rateCount = 150;

export const live = signal<readonly SessionView[]>([]);
export const ended = signal<readonly SessionView[]>([]);
export const isListed = signal(false);
export const listFault = signal("");
/** Events a second of all live sessions, and how many these are, at each asking; the newest last. */
export const history = signal<readonly { at: number; eventsPerS: number; live: number; busy: number }[]>([]);

/** Returns how to stop it. */
export function watchSessions(): () => void {
  const over = new AbortController();
  void watch(over.signal);
  return () => over.abort();
}

async function watch(over: AbortSignal): Promise<void> {
  let seqs = new Map<string, number>();
  let lastAt = 0;
  for (let round = 0; !over.aborted; round++) {
    try {
      if (!document.hidden || round === 0) {
        const views = await listNewest(address(), { state: "live", limit: listedMax });
        const at = performance.now();
        const ids = new Set(views.map(({ session_id }) => session_id));
        const hasGone = [...seqs.keys()].some((id) => !ids.has(id));
        if (round % endedEvery === 0 || hasGone)
          ended.value = await listNewest(address(), { state: "ended", limit: listedMax });
        if (lastAt > 0) note(views, seqs, (at - lastAt) / 1000);
        seqs = new Map(views.map(({ session_id, last_seq }) => [session_id, last_seq]));
        lastAt = at;
        live.value = views;
        isListed.value = true;
        listFault.value = "";
      }
    } catch (error) {
      if (!over.aborted) listFault.value = noteFault(error);
    }
    await pause(everyMs, over);
  }
}

/** What was written since the last asking; of a session that was not there then, all of it is new. */
function note(views: readonly SessionView[], before: ReadonlyMap<string, number>, seconds: number): void {
  const events = views.reduce((sum, { session_id, last_seq }) => sum + last_seq - (before.get(session_id) ?? 0), 0);
  const point = {
    at: Date.now(),
    eventsPerS: Math.max(0, events) / seconds,
    live: views.length,
    busy: views.filter(({ activity }) => activity !== undefined && activity !== "idle").length,
  };
  history.value = [...history.value.slice(1 - rateCount), point];
}
