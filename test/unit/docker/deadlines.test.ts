/** An engine that stops answering, as far as a client can tell: the calls to it end, and it is found again. */

import { readFile } from "node:fs/promises";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { Readable } from "node:stream";
import { setTimeout as delay } from "node:timers/promises";
import Docker from "dockerode";
import { beforeEach, expect, onTestFinished, test } from "vitest";
import { hangUp, withDeadlines } from "../../../src/runtime/docker/deadlines.ts";
import { engineFault } from "../../../src/runtime/docker/engine.ts";
import { EngineAway } from "../../../src/runtime/docker/engine-away.ts";
import { connectionTo } from "../../../src/runtime/docker/engine-connection.ts";
import { makeCertificates } from "../../support/remote-engine.ts";
import { type TempDir, tempDir } from "../../support/temp-dir.ts";

const answerMs = 800;
let folder: TempDir;
let isSilent: boolean;
/** What the engine says to a path; what is not here it answers with nothing. */
let answers: Record<string, (request: IncomingMessage, response: ServerResponse) => void>;

const json = (value: object) => (_: IncomingMessage, response: ServerResponse) => {
  response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(value));
};

beforeEach(async () => {
  folder = await tempDir();
  onTestFinished(() => folder.remove());
  isSilent = false;
  answers = {
    "/_ping": (_, response) => response.end("OK"),
    "/version": json({ Os: "linux" }),
    "/events": (_, response) => response.writeHead(200).flushHeaders(),
  };
});

const take = (request: IncomingMessage, response: ServerResponse) => {
  if (!isSilent) answers[(request.url ?? "").replace(/\?.*$/, "")]?.(request, response);
};

async function clientOf(host: string, certificates?: string): Promise<Docker> {
  const address = { host, certificates, answerMs, environment: {} };
  const engine = withDeadlines(new Docker(connectionTo(address)), address);
  onTestFinished(() => hangUp(engine));
  return engine;
}

async function here(): Promise<Docker> {
  const path = join(folder.path, "sock");
  const server = createServer(take);
  await new Promise<void>((resolve) => server.listen(path, resolve));
  onTestFinished(() => closed(server));
  return clientOf(`unix://${path}`);
}

async function elsewhere(): Promise<Docker> {
  const [client, side] = [join(folder.path, "client"), join(folder.path, "server")];
  await makeCertificates(folder.path, { certificates: client, server: side });
  const [ca, cert, key] = await Promise.all(["ca", "cert", "key"].map((name) => readFile(join(side, `${name}.pem`))));
  const server = createTlsServer({ ca, cert, key, requestCert: true, rejectUnauthorized: true }, take);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => closed(server));
  return clientOf(`tcp://127.0.0.1:${(server.address() as AddressInfo).port}`, client);
}

async function closed(server: { close(done: () => void): unknown; closeAllConnections(): void }): Promise<void> {
  const over = new Promise<void>((resolve) => server.close(resolve));
  server.closeAllConnections();
  await over;
}

const faultOf = (call: Promise<unknown>) =>
  call.then(
    () => undefined,
    (error: unknown) => error,
  );

function broken(stream: NodeJS.ReadableStream): Promise<unknown> {
  return new Promise((resolve) => stream.once("error", resolve).resume());
}

test("a call that nothing comes of fails, and says which engine is silent and what to do", async () => {
  const engine = await here();
  isSilent = true;
  const fault = await faultOf(engine.getContainer("c").inspect());
  expect(fault).toBeInstanceOf(EngineAway);
  const told = engineFault(fault, 'start the container of session "s"');
  expect(told.code).toBe("runtime_unavailable");
  expect(told.message).toMatch(
    /^Cannot start the container of session "s": the Docker engine at "unix:.*sock" is away: it did not answer within 0.8 s. See whether "docker info" answers/,
  );
});

test("of an engine elsewhere that is silent all calls and streams break, and it is used again when it answers", async () => {
  const engine = await elsewhere();
  const events = await engine.getEvents();
  const end = broken(events);
  isSilent = true;
  const faults = await Promise.all([engine.listVolumes(), engine.createContainer({})].map(faultOf));
  for (const fault of faults) expect(fault).toBeInstanceOf(EngineAway);
  expect(await end).toBeInstanceOf(EngineAway);
  isSilent = false;
  expect(await engine.version()).toEqual({ Os: "linux" });
  (await engine.getEvents()).on("error", () => undefined);
});

test("one call that takes too long breaks no stream of an engine that answers", async () => {
  const engine = await elsewhere();
  const events = await engine.getEvents();
  let isOpen = true;
  events.on("close", () => {
    isOpen = false;
  });
  expect(await faultOf(engine.listVolumes())).toBeInstanceOf(EngineAway);
  // Behind the ping that the call's end brought about.
  await engine.ping();
  await engine.ping();
  expect(isOpen).toBe(true);
  events.on("error", () => undefined);
});

test("what is copied may take longer than an answer as long as it goes on, both ways; when it stops it breaks", async () => {
  const engine = await here();
  const pieces = async function* (count: number) {
    for (let index = 0; index < count; index++) {
      // The pace of who sends, which the deadline is held against.
      await delay(answerMs / 4);
      yield Buffer.alloc(1000, index);
    }
  };
  let stopsAfter = 12;
  answers["/containers/c/archive"] = async (request, response) => {
    if (request.method === "PUT") {
      for await (const _ of request);
      response.end();
      return;
    }
    response.writeHead(200);
    for await (const piece of pieces(stopsAfter)) response.write(piece);
    if (stopsAfter === 12) response.end();
  };
  const container = engine.getContainer("c");
  await container.putArchive(Readable.from(pieces(12), { objectMode: false }), { path: "/" });
  let bytes = 0;
  for await (const piece of await container.getArchive({ path: "/" })) bytes += piece.length;
  expect(bytes).toBe(12_000);
  stopsAfter = 3;
  const reading = async () => {
    for await (const _ of await container.getArchive({ path: "/" }));
  };
  expect(await faultOf(reading())).toBeInstanceOf(EngineAway);
}, 30_000);

test("what could not be connected to is away, what the engine refuses is not", async () => {
  const [client, side] = [join(folder.path, "client"), join(folder.path, "server")];
  await makeCertificates(folder.path, { certificates: client, server: side });
  const nobody = await clientOf("tcp://127.0.0.1:1", client);
  expect(await faultOf(nobody.listVolumes())).toMatchObject({ found: expect.stringContaining("ECONNREFUSED") });
  const engine = await here();
  answers["/volumes"] = (_, response) => response.writeHead(500).end(JSON.stringify({ message: "no" }));
  expect(await faultOf(engine.listVolumes())).toMatchObject({ statusCode: 500 });
});
