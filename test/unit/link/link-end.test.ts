import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { connectToSocket } from "../../../src/runtime/socket-door.ts";
import { Link } from "../../../src/supervisor/link.ts";
import { eventually } from "../../support/eventually.ts";
import { tempDir } from "../../support/temp-dir.ts";

async function linkToNobody(): Promise<{ link: Link; losses: string[] }> {
  const dir = await tempDir();
  onTestFinished(() => dir.remove());
  const losses: string[] = [];
  const link = new Link({
    connect: () => connectToSocket(join(dir.path, "nobody")),
    token: "secret",
    after: () => 0,
    onBatch: () => undefined,
    onHello: () => undefined,
    onStatus: () => undefined,
    onStorage: () => undefined,
    onLost: (reason) => losses.push(reason),
  });
  onTestFinished(() => link.close());
  return { link, losses };
}

test("a command for a link that was closed is refused at once", async () => {
  const { link } = await linkToNobody();
  link.close();
  await expect(link.request({ type: "finish", data: {} })).rejects.toThrow("the session has ended");
});

test("a command for a link that was lost is refused at once", { timeout: 30_000 }, async () => {
  const { link, losses } = await linkToNobody();
  const early = link.request({ type: "finish", data: {} });
  await expect(early).rejects.toThrow("the sidecar is gone");
  await eventually(() => losses.length === 1);
  await expect(link.request({ type: "finish", data: {} })).rejects.toThrow("the sidecar is gone");
});
