/** How many tokens and tickets there may be, and what is said when there are as many. */
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { anyCaller } from "../../../src/access/caller.ts";
import { LiveCalls } from "../../../src/access/live-calls.ts";
import { Tickets } from "../../../src/access/tickets.ts";
import { Tokens } from "../../../src/access/tokens.ts";
import { openSqliteStore } from "../../../src/store/sqlite.ts";
import { tempDir } from "../../support/temp-dir.ts";

test("10,000 tickets may wait to be used; one that is used makes room", () => {
  const tickets = new Tickets();
  const use = { kind: "session", name: "one" } as const;
  const given = Array.from({ length: 10_000 }, () => tickets.give(anyCaller, { use }).ticket);
  expect(() => tickets.give(anyCaller, { use })).toThrow(
    expect.objectContaining({ code: "rate_limited", details: { retry_after: 30 } }),
  );
  expect(tickets.take(given[5000] ?? "", use)).toEqual(anyCaller);
  expect(tickets.give(anyCaller, { use }).ticket).toMatch(/./);
});

test("there may be 1,000 named tokens; all go on being good, and one that is revoked makes room", async () => {
  const dir = await tempDir();
  onTestFinished(() => dir.remove());
  const store = await openSqliteStore({ path: join(dir.path, "state.db"), isSynced: false });
  onTestFinished(() => store.close());
  const tokens = await Tokens.open({
    book: store.tokens,
    fileToken: "of-the-file",
    writeFileToken: async () => undefined,
    live: new LiveCalls(),
  });
  const create = (name: string) => tokens.create({ name, scope: "read" });
  const first = await create("t0");
  for (let n = 1; n < 1000; n++) await create(`t${n}`);
  await expect(create("more")).rejects.toMatchObject({
    code: "invalid_request",
    message: expect.stringContaining("there are 1000 already"),
  });
  expect(tokens.list()).toHaveLength(1000);
  expect(tokens.callerWith(first.token)).toMatchObject({ name: "t0" });
  await tokens.revoke("t500");
  expect(await create("more")).toMatchObject({ name: "more" });
});
