/** A session's events, collected over a WebSocket until enough is there. */
import type { ClientSocket, LoggedEvent } from "./client-socket.ts";

export interface LogSource {
  ws(sessionId: string, since?: number): Promise<ClientSocket>;
}

/** All events from the start until `enough` holds for what is there (by default: until the exit). */
export async function readLog(
  daemon: LogSource,
  sessionId: string,
  options: { enough?: (events: readonly LoggedEvent[]) => boolean; deadlineMs?: number } = {},
): Promise<readonly LoggedEvent[]> {
  const { enough = (events) => events.some(({ type }) => type === "exit"), deadlineMs = 30_000 } = options;
  const client = await daemon.ws(sessionId, 0);
  try {
    const deadline = Date.now() + deadlineMs;
    while (!enough(client.events)) {
      if (Date.now() > deadline)
        throw new Error(`not enough in the log of ${sessionId} after ${deadlineMs} ms:\n${summary(client.events)}`);
      if (client.closed && !enough(client.events))
        throw new Error(`the log of ${sessionId} ended early:\n${summary(client.events)}`);
      await new Promise((resolve) => setTimeout(resolve, 15));
    }
    return [...client.events];
  } finally {
    await client.close();
  }
}

/** One short line an event, for messages. */
export function summary(events: readonly LoggedEvent[]): string {
  return events.map(({ seq, type, data }) => `${seq} ${type} ${JSON.stringify(data).slice(0, 150)}`).join("\n");
}
