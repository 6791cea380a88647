/** What a daemon does with a session whose sidecar another version has started. */
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { eventually } from "../support/eventually.ts";
import { startDaemon } from "../support/start-daemon.ts";

const config = { agents: { echo: { harness: "generic", command: "cat" } } };

test("a live session whose sidecar speaks another link protocol is named, left alone, and taken over by who speaks it", async () => {
  const first = await startDaemon({ config });
  const { dataDir } = first;
  try {
    const { body } = await first.post("/sessions", { agent: "echo", interactive: true });
    const id: string = body.session_id;
    await first.ws(id).then((client) => client.frame("connected"));
    await first.kill9();
    const record = join(dataDir, "sessions", id, "session.json");
    const written = await readFile(record, "utf8");
    await writeFile(record, written.replace(/"protocol":\s*\d+/, '"protocol":99'));

    const other = await startDaemon({ config, dataDir });
    expect(other.output()).toContain("it speaks link protocol 99");
    expect((await other.get(`/sessions/${id}`)).body).toMatchObject({
      status: "orphaned",
      unreadable: expect.stringContaining("link protocol 99"),
    });
    await other.kill9();

    await writeFile(record, written);
    const next = await startDaemon({ config, dataDir });
    expect((await next.get(`/sessions/${id}`)).status).toBe(200);
    const accepted = await next.post(`/sessions/${id}/prompt`, { text: "still here" });
    expect(accepted.status).toBe(202);
    await eventually(async () =>
      (await next.get(`/sessions/${id}/log`)).text.includes('"text":"still here"},"timestamp"'),
    );
    expect((await next.delete(`/sessions/${id}`)).status).toBe(200);
    await next.stop();
  } finally {
    await first.stop();
  }
});
