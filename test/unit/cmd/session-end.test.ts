import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { expect, onTestFinished, test } from "vitest";
import { endExitCode, endText, howEnded } from "../../../cmd/session-end.ts";
import { type DaemonAddress, DaemonUnreachable } from "../../../src/client/address.ts";

test.each([
  { code: 0, reason: "finished", exits: 0, says: "Session s has finished (exit code 0)" },
  { code: 3, reason: "agent_failed", exits: 3, says: "Session s has failed (exit code 3)" },
  { code: 0, reason: "stopped", exits: 0, says: "Session s was stopped (exit code 0)" },
  { code: 143, reason: "stopped", exits: 0, says: "Session s was stopped (exit code 143)" },
  { code: 0, reason: "timeout", exits: 1, says: "Session s ran out of time (exit code 0)" },
  { code: 0, reason: "shutdown", exits: 1, says: "Session s was ended with its daemon (exit code 0)" },
  { code: -1, reason: "sidecar_lost", exits: 1, says: "Session s lost its sidecar (exit code -1)" },
  { code: 0, reason: "deleted", exits: 0, says: "Session s was deleted (exit code 0)" },
  { code: 143, reason: "deleted", exits: 143, says: "Session s was deleted (exit code 143)" },
  { code: 0, reason: undefined, exits: 0, says: "Session s has ended (exit code 0)" },
  { code: 256, reason: undefined, exits: 1, says: "Session s has ended (exit code 256)" },
  { code: undefined, reason: "launch_failed", exits: 1, says: "Session s could not be started" },
] as const)("$says: exits with $exits", ({ exits, says, ...end }) => {
  expect([endExitCode(end), endText("s", end)]).toEqual([exits, says]);
});

test.each([
  { refusals: 0, told: [] },
  { refusals: 2, told: ["Waiting some seconds for how session s ended: nothing listens there"] },
])("a daemon that is away $refusals times is waited for, which is said once", async ({ refusals, told }) => {
  const daemon = createServer((_, response) =>
    response.writeHead(404).end(JSON.stringify({ error: "session_not_found", message: "gone" })),
  ).listen(0, "127.0.0.1");
  onTestFinished(() => void daemon.close());
  await once(daemon, "listening");
  const { port } = daemon.address() as AddressInfo;
  const address: DaemonAddress = { url: `http://127.0.0.1:${port}`, token: undefined, source: "--url" };
  let asked = 0;
  const locate = async () => {
    asked += 1;
    if (asked <= refusals) throw new DaemonUnreachable("nothing listens there", { named: true });
    return address;
  };
  const notes: string[] = [];
  const end = await howEnded(7, { sessionId: "s", locate, note: (line) => notes.push(line) });
  expect([end, asked, notes]).toEqual([{ code: 7, reason: undefined }, refusals + 1, told]);
});
