/** An event of a model's stream. */
import { setTimeout as delay } from "node:timers/promises";

export interface StreamEvent {
  type: string;
  [member: string]: unknown;
}

const pieceMs = 100;
/** Far longer than the probe waits for an interrupt. */
const piecesMax = 3000;

/** Words that go on until the agent hangs up. */
export async function* waitingWords(): AsyncGenerator<string> {
  for (let i = 0; i < piecesMax; i++) {
    yield "waiting ";
    await delay(pieceMs);
  }
}
