/** Many clients of many sessions in one process of their own, so that their work is not the daemon's nor the load's. */
import { createHash } from "node:crypto";
import WebSocket from "ws";
import * as z from "zod";

/** What a reader process is told, as its only argument. */
const Assignment = z.object({ url: z.string(), token: z.string(), sessions: z.array(z.string()) });

export const ReaderReport = z.object({
  /** Of each client: digest and length of all the bytes it got, in the order they came. */
  clients: z.array(
    z.object({ id: z.string(), digest: z.string(), bytes: z.number(), reconnects: z.number(), hasExit: z.boolean() }),
  ),
  /** Samples of how late a line was here, in ms. */
  lagMs: z.array(z.number()),
});
export type ReaderReport = z.infer<typeof ReaderReport>;

/** Of so many lines one is timed. */
const sampleEvery = 20;
const lagsMax = 500_000;

export function startReader(text: string, tell: { connected(): void; done(report: ReaderReport): void }): void {
  const { url, token, sessions } = Assignment.parse(JSON.parse(text));
  const lagMs: number[] = [];
  let left = sessions.length;
  const opened = new Set<object>();
  const clients = sessions.map((id) => ({ id, digest: "", bytes: 0, reconnects: 0, hasExit: false }));
  for (const client of clients) {
    const hash = createHash("sha256");
    let lines = 0;
    const take = (text: string) => {
      hash.update(text);
      client.bytes += Buffer.byteLength(text);
      for (const found of text.matchAll(/ at (\d{6,}) /g)) {
        if (lines++ % sampleEvery === 0 && lagMs.length < lagsMax)
          lagMs.push(Number(process.hrtime.bigint() - BigInt(found[1] ?? 0)) / 1e6);
      }
    };
    const connect = () => {
      const address = `${url.replace(/^http/, "ws")}/ws/sessions/${client.id}?since=${client.bytes}`;
      const socket = new WebSocket(address, {
        headers: { authorization: `Bearer ${token}` },
        perMessageDeflate: false,
      });
      socket.on("message", (data) => {
        const frame = JSON.parse(String(data));
        if (frame.type === "stdout") take(frame.data);
        else if (frame.type === "replay") take(Buffer.from(frame.data, "base64").toString("utf8"));
        else if (frame.type === "exit") client.hasExit = true;
      });
      socket.on("open", () => {
        if (opened.add(client).size === sessions.length) tell.connected();
      });
      socket.on("error", () => undefined);
      socket.on("close", () => {
        if (!client.hasExit) {
          client.reconnects += 1;
          setTimeout(connect, 50);
          return;
        }
        client.digest = hash.digest("hex");
        if (--left === 0) tell.done({ clients, lagMs });
      });
    };
    connect();
  }
}
