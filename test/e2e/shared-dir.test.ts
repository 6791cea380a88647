/** Sessions in one folder are told of each other. */
import { realpath } from "node:fs/promises";
import { expect, onTestFinished, test } from "vitest";
import type { LoggedEvent } from "../support/client-socket.ts";
import { readLog } from "../support/read-log.ts";
import { startDaemon } from "../support/start-daemon.ts";
import { tempDir } from "../support/temp-dir.ts";

const warnings = (events: readonly LoggedEvent[]) =>
  events.filter(({ data }) => data["subtype"] === "work_dir_shared").map(({ data }) => data);

test("each of them names the others, by name where they have one, and not more than can be read", async () => {
  const dir = await tempDir();
  const work_dir = await realpath(dir.path);
  const daemon = await startDaemon({ config: { agents: { cat: { command: "cat" } } } });
  onTestFinished(async () => {
    await daemon.stop();
    await dir.remove();
  });
  const create = async (name?: string): Promise<string> => {
    const { body, text } = await daemon.post("/sessions", { agent: "cat", interactive: true, work_dir, name });
    expect(body.session_id, text).toBeDefined();
    return body.session_id;
  };
  const of = async (id: string, count: number) =>
    warnings(await readLog(daemon, id, { enough: (events) => warnings(events).length >= count }));

  const first = await create("review");
  const second = await create();
  const more = "their changes may collide.";
  expect(await of(second, 1)).toEqual([
    {
      subtype: "work_dir_shared",
      message: `Session ${first} (review) works in "${work_dir}" too: ${more}`,
      session_ids: [first],
      session_count: 1,
    },
  ]);
  expect(await of(first, 1)).toMatchObject([{ message: expect.stringContaining(`Session ${second} works`) }]);

  const others = [first, second, await create(), await create()];
  const [told] = await of(await create(), 1);
  expect(told).toMatchObject({
    session_count: others.length,
    session_ids: expect.arrayContaining(others),
    message: expect.stringContaining(`" too: ${more}`),
  });
  expect(told?.["message"]).toMatch(
    /^Sessions \S+(?: \(review\))?, \S+(?: \(review\))?, \S+(?: \(review\))? and 1 more work in /,
  );
});
