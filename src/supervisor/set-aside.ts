/**
 * Sessions that a start could not bring back. They are listed and left alone, and what they live by stays. What is damaged waits
 * for a person; where only the runtime was in the way, the session is healthy, and it is tried again.
 */
import { messageOf } from "../protocol/error.ts";
import type { Runtime } from "../runtime/runtime.ts";
import { sessionHome } from "../session/home.ts";
import { readRecord } from "../session/record.ts";
import type { Context } from "./context.ts";
import { renewEgress } from "./egress-reload.ts";
import { tryEverySeconds } from "./later.ts";
import { type Unreadable, unreadableRow } from "./unreadables.ts";

/** The runtime could not say what became of a session: that is no damage of the session's. */
export class RuntimeFault extends Error {
  constructor(cause: unknown) {
    super(messageOf(cause), { cause });
    this.name = "RuntimeFault";
  }
}

interface SetAside {
  id: string;
  error: unknown;
  bringBack(): Promise<void>;
}

export async function setAside(context: Context, { id, error, bringBack }: SetAside): Promise<void> {
  const { unreadables, later, log } = context;
  const isHealthy = error instanceof RuntimeFault;
  const reason = isHealthy
    ? `its runtime did not say what became of it: ${error.message}. It is tried again every ${tryEverySeconds} s`
    : messageOf(error);
  const row = await unreadableRow(context, id);
  const spec = await readRecord(sessionHome(context.config.dataDir, id).record).then(
    (record) => record.spec,
    () => undefined,
  );
  const aside: Unreadable = { row, reason, spec, isAlive: true };
  unreadables.add(aside);
  const keeping = () => unreadables.during(id, () => keep(context, aside));
  if (isHealthy) {
    log("warn", `Cannot take over session "${id}": ${reason}`, { session_id: id });
    later.add(id, () => unreadables.during(id, () => tryAgain(context, { id, bringBack })));
    // What takes it over keeps it too.
    await keeping().catch(() => undefined);
    return;
  }
  log("warn", `Cannot read session "${id}": ${reason}. Its folder is left as it is`, { session_id: id });
  await keeping().catch((fault: unknown) => {
    log("warn", `Cannot see whether session "${id}" lives: ${messageOf(fault)}`, { session_id: id });
    later.add(id, keeping);
  });
}

async function tryAgain(context: Context, { id, bringBack }: Omit<SetAside, "error">): Promise<void> {
  const { unreadables, log, isClosing } = context;
  if (isClosing()) return;
  try {
    await bringBack();
  } catch (error) {
    if (error instanceof RuntimeFault) throw error;
    return await setAside(context, { id, error, bringBack });
  }
  unreadables.drop(id);
  log("info", `Session "${id}" could be taken over`, { session_id: id });
  await renewEgress(context);
}

async function keep(context: Context, aside: Unreadable): Promise<void> {
  const lives = await Promise.all(runtimesOf(context, aside).map((runtime) => runtime.keep(aside.row.id)));
  aside.isAlive = lives.includes(true);
}

/** Where it may live. One that is not enabled keeps nothing. */
function runtimesOf({ runtimes }: Context, { row, spec }: Unreadable): Runtime[] {
  const name = spec?.runtime ?? row.runtime;
  return [...runtimes.values()].filter((runtime) => name === null || runtime.name === name);
}
