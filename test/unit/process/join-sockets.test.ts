import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { expect, onTestFinished, test } from "vitest";
import { joinSockets } from "../../../src/process/join-sockets.ts";
import { eventually } from "../../support/eventually.ts";
import { heardBy } from "../../support/heard-by.ts";

/** A client and a service far from each other, with the joined two in between. */
async function joined(options: { silenceMs?: number } = {}) {
  const [clients, services] = [await doorway(), await doorway()];
  const client = await clients.enter();
  const outer = await services.enter();
  const [inner, service] = [await clients.came, await services.came];
  joinSockets(inner, outer, options);
  return { client, service, inner, outer };
}

async function doorway() {
  const server = createServer({ allowHalfOpen: true });
  const came = once(server, "connection").then(([socket]: Socket[]) => tracked(socket as Socket));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => void server.close());
  const { port } = server.address() as AddressInfo;
  const enter = async () => {
    const socket = tracked(connect({ port, host: "127.0.0.1", allowHalfOpen: true }));
    await once(socket, "connect");
    return socket;
  };
  return { came, enter };
}

function tracked(socket: Socket): Socket {
  socket.on("error", () => undefined);
  onTestFinished(() => void socket.destroy());
  return socket;
}

const closed = (...sockets: Socket[]) =>
  Promise.all(
    sockets.map(
      (socket) => new Promise<void>((resolve) => (socket.closed ? resolve() : socket.once("close", resolve))),
    ),
  );

test("the end of one side is told to the other, which may still answer", async () => {
  const { client, service, inner, outer } = await joined();
  client.end("a question");
  expect(await heardBy(service)).toBe("a question");
  service.end("an answer");
  expect(await heardBy(client)).toBe("an answer");
  await closed(inner, outer);
});

test("a service that ends first still hears what comes to it", async () => {
  const { client, service, inner, outer } = await joined();
  service.end("a greeting");
  expect(await heardBy(client)).toBe("a greeting");
  client.end("thanks");
  expect(await heardBy(service)).toBe("thanks");
  await closed(inner, outer);
});

test("whoever reads slowly gets all that was sent before the end", async () => {
  const { client, service, inner, outer } = await joined();
  client.end();
  await heardBy(service);
  const chunk = Buffer.alloc(8 * 1024, "x");
  let sent = 0;
  // Until the system takes no more for the client, and some of it waits in between.
  for (; inner.writableLength === 0; sent += chunk.length) {
    service.write(chunk);
    await new Promise((resolve) => setImmediate(resolve));
  }
  service.end();
  await eventually(() => outer.readableEnded, { what: "the end of the service" });
  expect((await heardBy(client)).length).toBe(sent);
  await closed(inner, outer);
});

test.each(["client", "service"] as const)("a %s that breaks takes the other with it", async (side) => {
  const { client, service, inner, outer } = await joined();
  const [breaks, other] = side === "client" ? [client, service] : [service, client];
  const heard = heardBy(other);
  breaks.resetAndDestroy();
  await closed(inner, outer);
  expect(await heard).toBe("");
});

test("a side that neither speaks nor ends after the other has ended is parted with", async () => {
  const { client, service, inner, outer } = await joined({ silenceMs: 50 });
  service.resume();
  client.resume();
  client.end("the last word");
  await closed(inner, outer);
});
