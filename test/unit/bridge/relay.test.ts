import { afterEach, beforeEach, expect, test } from "vitest";
import { ClientRoom } from "../../../src/bridge/client-room.ts";
import { openRelay, type Relay } from "../../../src/bridge/relay.ts";
import { eventually } from "../../support/eventually.ts";
import { exited, type Made, makeSession, said, sidecarBatch } from "../session/make-session.ts";
import { PacedClient } from "./paced-client.ts";

let made: Made;
let relay: Relay | undefined;
beforeEach(async () => {
  made = await makeSession({ ringBytesMax: 20_000 });
  made.session.apply({ type: "launched", isAdopted: false });
});
afterEach(async () => {
  relay?.close();
  await made.remove();
});

/** So much that it cannot all wait for one client. */
async function sayAll(): Promise<void> {
  const texts = Array.from({ length: 40 }, (_, n) => `${n} ${"x".repeat(100_000)}`);
  made.session.appendBatch(sidecarBatch(1, [...texts.map(said), exited(0)]));
  await made.session.stored();
  made.session.apply({ type: "ended", reason: "finished", exitCode: 0, endedAt: 1 });
  await made.session.seal();
}

function open(later: readonly string[], find: (id: string) => Promise<Made["session"] | undefined>): PacedClient {
  const client = new PacedClient();
  client.isReading = false;
  const room = new ClientRoom({ bytesMax: 1024 * 1024 });
  const first = later.length === 0 ? made.session : undefined;
  relay = openRelay({ client, room, clientStallMs: 60_000, first, later, find, since: 0 });
  return client;
}

/** It reads on, message by message, until this holds. */
const readUntil = (client: PacedClient, what: () => boolean) =>
  eventually(() => {
    client.read(1);
    return what();
  });

test("a chat that ends lets a slow client read the session to its end", async () => {
  await sayAll();
  const client = open([], async () => undefined);
  relay?.end("the chat was deleted");
  expect(client.closed).toBeUndefined();
  await readUntil(client, () => client.closed !== undefined);
  expect(client.closed).toEqual({ code: 1000, reason: "the chat was deleted" });
  expect(client.bytes.length).toBe(made.session.end);
  expect(client.types.at(-1)).toBe("exit");
});

test("a session of a long chain is opened when it is shown, and one that cannot be read is left out", async () => {
  await sayAll();
  const asked: string[] = [];
  const client = open(["gone", made.session.id, "far"], async (id) => {
    asked.push(id);
    return id === made.session.id ? made.session : undefined;
  });
  await readUntil(client, () => client.types.includes("replay"));
  expect(asked).toEqual(["gone", made.session.id]);
  await readUntil(client, () => client.types.includes("exit"));
  await eventually(() => asked.length === 3);
  expect(client.closed).toBeUndefined();
  relay?.end("the chat was deleted");
  expect(client.closed).toEqual({ code: 1000, reason: "the chat was deleted" });
});
