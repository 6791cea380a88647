/** The harness's reader of the server's events, against a server of our own. */
import { createServer, type Server, type ServerResponse } from "node:http";
import { afterEach, expect, it } from "vitest";
import { Api } from "../../../sidecar/opencode/api.ts";
import { type EventBatch, openEventStream } from "../../../sidecar/opencode/event-stream.ts";

let server: Server | undefined;
afterEach(() => {
  server?.closeAllConnections();
  server?.close();
});

async function serve(act: (response: ServerResponse) => void): Promise<{ api: Api; authorization: () => string }> {
  let seen = "";
  const started = createServer((request, response) => {
    seen = request.headers.authorization ?? "";
    response.writeHead(200, { "content-type": "text/event-stream" });
    act(response);
  });
  server = started;
  await new Promise<void>((resolve) => started.listen(0, "127.0.0.1", resolve));
  const address = started.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  return { api: new Api({ url: `http://127.0.0.1:${address.port}`, password: "p" }), authorization: () => seen };
}

/** What the server does once its client has been given something. */
let afterFirst: () => void = () => undefined;

async function readAll(api: Api, lineBytesMax = 1000): Promise<EventBatch[]> {
  const batches: EventBatch[] = [];
  const stream = await openEventStream({
    api,
    lineBytesMax,
    onEvents: async (batch) => {
      batches.push(batch);
      if (batches.length === 1) afterFirst();
    },
  });
  await stream.ended;
  return batches;
}

it("gives whole events, however they are cut, and nothing for other lines", async () => {
  const { api, authorization } = await serve((response) => {
    response.write(': comment\nevent: x\ndata: {"a":1}\n\ndata: {"b"');
    afterFirst = () => response.end(':"ü"}\n\n');
  });
  const batches = await readAll(api);
  expect(batches.flatMap(({ events }) => events)).toEqual(['{"a":1}', '{"b":"ü"}']);
  expect(authorization()).toBe(`Basic ${Buffer.from("opencode:p").toString("base64")}`);
});

it("an event that is too long is named, not kept, and the next one is read", async () => {
  const { api } = await serve((response) => {
    response.write(`data: {"first":1}\n\ndata: "${"x".repeat(700)}`);
    afterFirst = () => response.end(`${"y".repeat(700)}"\n\ndata: {"next":1}\n\n`);
  });
  const batches = await readAll(api, 1000);
  expect(batches.flatMap(({ events }) => events)).toEqual(['{"first":1}', '{"next":1}']);
  expect(batches.flatMap(({ oversized }) => oversized ?? [])).toMatchObject([{ truncated: true, blob: null }]);
});

it("ends when the server goes away", async () => {
  const { api } = await serve((response) => {
    response.write("data: {}\n\n");
    afterFirst = () => response.destroy();
  });
  expect((await readAll(api)).flatMap(({ events }) => events)).toEqual(["{}"]);
});

it("refuses what is no stream", async () => {
  const { api } = await serve(() => undefined);
  server?.closeAllConnections();
  server?.close();
  await expect(openEventStream({ api, lineBytesMax: 10, onEvents: async () => undefined })).rejects.toThrow();
});
