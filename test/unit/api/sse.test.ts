import { once } from "node:events";
import Fastify from "fastify";
import { expect, onTestFinished, test, vi } from "vitest";
import { sendEvents } from "../../../src/api/sse.ts";
import { ClientRoom } from "../../../src/bridge/client-room.ts";
import { makeSession, said, sidecarBatch } from "../session/make-session.ts";

test("a body breathes after every 15 s in which nothing came, and not before", async () => {
  const { session, remove } = await makeSession();
  onTestFinished(remove);
  const app = Fastify();
  app.get("/", (_request, reply) =>
    sendEvents(reply, {
      session,
      from: 0,
      render: (portion) => `${portion}`,
      opening: "opened",
      clientStallMs: 60_000,
      room: new ClientRoom({ bytesMax: 1024 * 1024 }),
      onClient: () => () => {},
    }),
  );
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
  onTestFinished(() => void vi.useRealTimers());

  const body = (await app.inject({ url: "/", payloadAsStream: true })).stream();
  const next = async () => String((await once(body, "data"))[0]);
  expect(await next()).toBe("opened");
  let heard = "";
  body.on("data", (chunk) => {
    heard += chunk;
  });
  for (const _ of [1, 2]) {
    await vi.advanceTimersByTimeAsync(14_999);
    expect(heard).toBe("");
    const breath = next();
    await vi.advanceTimersByTimeAsync(1);
    expect(await breath).toBe(": \n\n");
    heard = "";
  }

  // What comes is sent at once, and the next breath is counted from there.
  await vi.advanceTimersByTimeAsync(14_000);
  const line = next();
  session.appendBatch(sidecarBatch(1, [said("hello")]));
  expect(await line).toContain('"text":"hello"');
  heard = "";
  await vi.advanceTimersByTimeAsync(14_999);
  expect(heard).toBe("");

  body.destroy();
  await app.close();
});
