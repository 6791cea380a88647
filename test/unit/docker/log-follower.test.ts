/** What a container prints while the way to its engine breaks and does not come back at once. */
import { createServer, type ServerResponse } from "node:http";
import { join } from "node:path";
import Docker from "dockerode";
import { expect, onTestFinished, test } from "vitest";
import { LogFollower } from "../../../src/runtime/docker/log-follower.ts";
import { eventually } from "../../support/eventually.ts";
import { tempDir } from "../../support/temp-dir.ts";

const beginMs = Date.parse("2026-01-01T00:00:00Z");

/** An engine that keeps what one container printed, one line a second, and says it as the real one does. */
async function makeEngine() {
  const folder = await tempDir();
  const printed: { at: number; text: string; stream: 1 | 2 }[] = [];
  const asked: number[] = [];
  let open: ServerResponse | undefined;
  let isAway = false;
  const server = createServer((request, response) => {
    const query = new URL(request.url ?? "", "http://engine").searchParams;
    asked.push(Number(query.get("since")));
    if (isAway) return void request.socket.destroy();
    response.writeHead(200, { "content-type": "application/vnd.docker.raw-stream" }).flushHeaders();
    for (const line of printed) if (line.at / 1000 >= Number(query.get("since"))) response.write(frameOf(line));
    if (query.get("follow") === "true" || query.get("follow") === "1") open = response;
    else response.end();
  });
  const path = join(folder.path, "sock");
  await new Promise<void>((resolve) => server.listen(path, resolve));
  onTestFinished(async () => {
    const over = new Promise<void>((resolve) => server.close(() => resolve()));
    server.closeAllConnections();
    await over;
    await folder.remove();
  });
  return {
    docker: new Docker({ socketPath: path }),
    asked,
    print(text: string, stream: 1 | 2 = 1) {
      const line = { at: beginMs + printed.length * 1000, text, stream };
      printed.push(line);
      open?.write(frameOf(line));
    },
    leave() {
      isAway = true;
      open?.destroy();
      open = undefined;
    },
    comeBack() {
      isAway = false;
    },
  };
}

function frameOf({ at, text, stream }: { at: number; text: string; stream: 1 | 2 }): Buffer {
  const time = new Date(at).toISOString().replace("Z", "000000Z");
  const part = Buffer.from(`${time} ${text}\n`);
  const header = Buffer.alloc(8);
  header.writeUInt8(stream, 0);
  header.writeUInt32BE(part.length, 4);
  return Buffer.concat([header, part]);
}

test("each line comes once, also those of a time in which no attempt went well, and what was read is not asked for again", async () => {
  const engine = await makeEngine();
  const lines: string[] = [];
  const follower = new LogFollower({
    engine: engine.docker,
    containerId: "c",
    since: beginMs,
    onLine: (line) => lines.push(line),
  });
  onTestFinished(() => follower.close());
  engine.print("before 1");
  engine.print("before 2", 2);
  await follower.catchUp();
  expect(lines).toEqual(["before 1", "before 2"]);
  follower.begin();
  await eventually(() => engine.asked.length === 2, { what: "the stream" });
  for (const text of ["open 1", "open 2", "open 3"]) engine.print(text, 2);
  await eventually(() => lines.length === 5, { what: "what is printed while the stream is open" });
  engine.leave();
  engine.print("away 1");
  const asked = engine.asked.length;
  await eventually(() => engine.asked.length >= asked + 2, { what: "attempts in vain" });
  engine.print("away 2", 2);
  engine.comeBack();
  await eventually(() => lines.includes("away 2"), { what: "what was printed meanwhile" });
  engine.print("after");
  await eventually(() => lines.includes("after"), { what: "what is printed now" });
  expect(lines).toEqual(["before 1", "before 2", "open 1", "open 2", "open 3", "away 1", "away 2", "after"]);
  expect(engine.asked.at(-1)).toBeGreaterThan(beginMs / 1000 + 2);
});
