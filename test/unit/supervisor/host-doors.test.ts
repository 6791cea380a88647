import { once } from "node:events";
import { type AddressInfo, connect, createServer } from "node:net";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { doorName, type HostService } from "../../../src/protocol/host-service.ts";
import { HostDoors } from "../../../src/supervisor/host-doors.ts";
import { heardBy } from "../../support/heard-by.ts";
import { tempDir } from "../../support/temp-dir.ts";
import { makeSession } from "../session/make-session.ts";

test("by a door a conversation comes to its end in both directions, whichever side ends first", async () => {
  const dir = await tempDir();
  onTestFinished(() => dir.remove());
  const made = await makeSession();
  onTestFinished(() => made.remove());
  const heard: Promise<string>[] = [];
  const service = createServer({ allowHalfOpen: true }, (client) => {
    client.end("GREETING");
    heard.push(heardBy(client));
  }).listen(0, "127.0.0.1");
  await once(service, "listening");
  onTestFinished(() => void service.close());
  const listed: HostService = { name: "greets", host: "127.0.0.1", port: (service.address() as AddressInfo).port };
  const doors = new HostDoors({ listed: () => [listed], folderOf: () => dir.path, onDenied: () => undefined });
  await doors.open({ ...made.session.spec, egress: { mode: "enforce", allow: [], host_services: [listed] } });
  onTestFinished(() => doors.closeAll());
  const agent = connect({ path: join(dir.path, doorName(0)), allowHalfOpen: true });
  onTestFinished(() => void agent.destroy());
  expect(await heardBy(agent)).toBe("GREETING");
  agent.end("still heard");
  await once(agent, "close");
  expect(await heard[0]).toBe("still heard");
});
