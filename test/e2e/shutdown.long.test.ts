import { rmSync } from "node:fs";
import { dirname } from "node:path";
import { expect, it, onTestFinished } from "vitest";
import type { ClientSocket } from "../support/client-socket.ts";
import { eventually } from "../support/eventually.ts";
import { sessionProcesses } from "../support/processes.ts";
import { readLog } from "../support/read-log.ts";
import { type Daemon, startDaemon } from "../support/start-daemon.ts";

const ticks = 'let n = 0; setInterval(() => console.log("tick " + ++n), 20)';
const sessions = 20;
const clientsEach = 5;

it("a daemon that is told to leave 20 busy sessions and 100 clients tells them, and the next one has them all", async () => {
  const config = { agents: { ticks: { command: process.execPath, args: ["-e", ticks] } } };
  const daemon = await startDaemon({ config, args: ["--on-shutdown", "keep"] });
  let next: Daemon | undefined;
  onTestFinished(async () => {
    await next?.stop();
    await daemon.stop();
    rmSync(dirname(daemon.dataDir), { recursive: true, force: true });
  });
  const created = await Promise.all(
    Array.from({ length: sessions }, () =>
      daemon.post("/sessions", { agent: "ticks", interactive: true, prompt: "go" }),
    ),
  );
  expect(created.map(({ status }) => status)).toEqual(created.map(() => 201));
  const ids = created.map(({ body }) => String(body.session_id)).sort();
  const clients: ClientSocket[] = [];
  for (const id of ids) for (let n = 0; n < clientsEach; n++) clients.push(await daemon.ws(id, 0));
  await Promise.all(clients.map((client) => client.event(({ type }) => type === "stdout")));
  const startedAt = performance.now();
  const leaving = daemon.leave();
  expect(await leaving).toEqual({ code: 0 });
  console.info(
    `left ${sessions} busy sessions and ${clients.length} clients in ${Math.round(performance.now() - startedAt)} ms`,
  );
  for (const client of clients)
    expect(await client.ended()).toEqual({
      code: 1012,
      reason: expect.stringContaining("the daemon leaves (SIGTERM)"),
    });
  expect(ids.filter((id) => sessionProcesses(id).length > 0)).toEqual(ids);
  next = await startDaemon({ dataDir: daemon.dataDir });
  const views = (await next.get("/sessions")).body as { id: string; status: string; last_seq: number }[];
  expect(views.map(({ status }) => status)).toEqual(ids.map(() => "orphaned"));
  expect(views.map(({ id }) => id).sort()).toEqual(ids);
  for (const id of ids) {
    const before = views.find((view) => view.id === id)?.last_seq ?? 0;
    const events = await readLog(next, id, { enough: (all) => (all.at(-1)?.seq ?? 0) > before });
    // Each tick once and in order: what was printed while nobody served is there too.
    const said = events.filter(({ type }) => type === "stdout").map(({ data }) => data["text"]);
    expect(said).toEqual(said.map((_, n) => `tick ${n + 1}`));
  }
  await Promise.all(ids.map((id) => next?.delete(`/sessions/${id}`)));
  await eventually(() => ids.every((id) => sessionProcesses(id).length === 0), { deadlineMs: 30_000 });
}, 180_000);
