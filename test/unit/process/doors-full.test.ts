/** Through one door go 256 connections: one more is closed at once, those that are there go on, and one that leaves makes room. */
import { once } from "node:events";
import { type AddressInfo, createServer, type NetConnectOpts, type Socket } from "node:net";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { openPassage } from "../../../sidecar/passage.ts";
import { doorName, type HostService } from "../../../src/protocol/host-service.ts";
import { HostDoors } from "../../../src/supervisor/host-doors.ts";
import { closedByOther, connections } from "../../support/connections.ts";
import { eventually } from "../../support/eventually.ts";
import { tempDir } from "../../support/temp-dir.ts";
import { makeSession } from "../session/make-session.ts";

const doorMax = 256;

/** A service that says back what it hears; resolves with where it listens. */
async function startEcho(
  where: { path: string } | { host: string; port: number },
): Promise<AddressInfo | string | null> {
  const service = createServer((client) => {
    client.on("error", () => undefined);
    client.pipe(client);
  });
  service.listen(where);
  await once(service, "listening");
  onTestFinished(() => void service.close());
  return service.address();
}

async function doorOfService(): Promise<NetConnectOpts> {
  const dir = await tempDir();
  onTestFinished(() => dir.remove());
  const made = await makeSession();
  onTestFinished(() => made.remove());
  const { port } = (await startEcho({ host: "127.0.0.1", port: 0 })) as AddressInfo;
  const listed: HostService = { name: "echo", host: "127.0.0.1", port };
  const doors = new HostDoors({ listed: () => [listed], folderOf: () => dir.path, onDenied: () => undefined });
  await doors.open({ ...made.session.spec, egress: { mode: "enforce", allow: [], host_services: [listed] } });
  onTestFinished(() => doors.closeAll());
  return { path: join(dir.path, doorName(0)) };
}

async function doorOfModel(): Promise<NetConnectOpts> {
  const dir = await tempDir();
  onTestFinished(() => dir.remove());
  const socketPath = join(dir.path, "model.sock");
  await startEcho({ path: socketPath });
  return { host: "127.0.0.1", port: await openPassage({ port: 0, socketPath }) };
}

async function echoed(socket: Socket | undefined): Promise<string> {
  socket?.write("still here");
  return String((await once(socket as Socket, "data"))[0]);
}

test.each([
  ["to a service of the host", doorOfService],
  ["to its model", doorOfModel],
])("the door of a container %s", async (_, doorOf) => {
  const door = await doorOf();
  const there = await connections(door, doorMax);
  // Each has come as far as the service: the door counts it.
  expect(new Set(await Promise.all(there.map(echoed)))).toEqual(new Set(["still here"]));
  const [late] = await connections(door, 1);
  if (late) await closedByOther(late);
  expect(await echoed(there[0])).toBe("still here");
  expect(await echoed(there.at(-1))).toBe("still here");
  there[0]?.destroy();
  const next = await eventually(async () => {
    const [one] = await connections(door, 1);
    const said = one && (await Promise.race([echoed(one), closedByOther(one).then(() => undefined)]));
    return said;
  });
  expect(next).toBe("still here");
});
