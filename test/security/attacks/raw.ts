/** Bytes as they are, past every library that would mend them. */
import { connect, type Socket } from "node:net";

interface RawOptions {
  deadlineMs?: number;
  /** What need not be waited for the end of. */
  until?: RegExp;
}

/** What answers until the daemon closes; empty when it closes without a word. */
export function answersTo(url: string, bytes: string | Buffer, options: RawOptions = {}): Promise<string> {
  const { deadlineMs = 30_000, until } = options;
  return new Promise((resolve, reject) => {
    const socket = open(url);
    let text = "";
    const deadline = setTimeout(() => {
      socket.destroy();
      reject(new Error(`the daemon did not close within ${deadlineMs} ms, having said: ${text.slice(0, 500)}`));
    }, deadlineMs);
    socket.on("data", (chunk) => {
      text += chunk;
      if (until?.test(text)) socket.destroy();
    });
    // Whoever is cut off while it still sends hears of it in this way.
    socket.on("error", () => undefined);
    socket.on("close", () => {
      clearTimeout(deadline);
      resolve(text);
    });
    socket.write(bytes);
  });
}

/** The statuses of all answers, in their order: `400`, `200 200`. */
export async function statusesOf(url: string, bytes: string | Buffer, options = {}): Promise<string> {
  const text = await answersTo(url, bytes, options);
  const statuses = [...text.matchAll(/HTTP\/1\.1 (\d{3}) /g)].map(([, status]) => status);
  return statuses.length === 0 ? "closed" : statuses.join(" ");
}

export function open(url: string): Socket {
  const { hostname, port } = new URL(url);
  return connect(Number(port), hostname);
}
