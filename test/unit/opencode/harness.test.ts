/** The harness against stand-ins for the program, for what the real one does too rarely to wait for. */
import { fileURLToPath } from "node:url";
import { afterEach, expect, it } from "vitest";
import { createOpencodeHarness } from "../../../sidecar/opencode/harness.ts";
import { type Bootstrap, defaultSidecarLimits } from "../../../src/protocol/bootstrap.ts";
import type { SessionEvent } from "../../../src/protocol/event.ts";
import { eventually } from "../../support/eventually.ts";
import { tempDir } from "../../support/temp-dir.ts";

const folders: { remove(): Promise<void> }[] = [];
afterEach(async () => {
  for (const folder of folders.splice(0)) await folder.remove();
});

const cutServer = [
  process.execPath,
  fileURLToPath(new URL("../../fixtures/agents/opencode-cut-stream.mjs", import.meta.url)),
];

async function start(command: string[], config: Bootstrap["config"] = {}) {
  const folder = await tempDir();
  folders.push(folder);
  const bootstrap: Bootstrap = {
    protocol: 1,
    session_id: `unit-${Date.now()}`,
    session_dir: folder.path,
    socket_path: "",
    token: "",
    agent: {
      name: "opencode",
      harness: "opencode",
      command,
      env: { PATH: process.env["PATH"] ?? "", HOME: folder.path },
    },
    work_dir: folder.path,
    config,
    interactive: true,
    keep_raw: false,
    limits: defaultSidecarLimits,
  };
  const events: SessionEvent[] = [];
  const activities: unknown[] = [];
  const harness = createOpencodeHarness(bootstrap, {
    emit: async (outputs) => {
      events.push(...outputs.map(({ event }) => event));
    },
    setStatus: ({ activity }) => activities.push(activity),
    apart: () => [],
    redaction: undefined,
    contain: undefined,
    now: Date.now,
  });
  await harness.start();
  return { harness, events, activities };
}

it("a stream that is cut is opened again, and what was missed is asked for", async () => {
  const { harness, events } = await start(cutServer);
  harness.prompt({ text: "hello", turnId: "t1" });
  await eventually(() => events.some(({ type }) => type === "result"));
  const texts = events.flatMap((event) =>
    event.type === "agent_message" ? [[event.data.delta, event.data.text]] : [],
  );
  expect(texts).toEqual([
    [true, "The wh"],
    [false, "The whole answer."],
  ]);
  expect(events.find(({ type }) => type === "result")?.data).toMatchObject({ turn_id: "t1", status: "success" });
  harness.finish();
  expect(await harness.ended).toMatchObject({ code: 0 });
});

it.each([{}, { model: "anthropic/m" }])("shows that it is ready once it is: %j", async (config) => {
  const { harness, activities } = await start(cutServer, config);
  await eventually(() => activities.includes("idle"));
  await harness.stop("stopped");
  expect(await harness.ended).toMatchObject({ code: 0 });
});

it("a program that ends before it is ready has ended, with what it said", async () => {
  const { harness } = await start([process.execPath, "-e", "console.error('no such thing'); process.exit(7)", "--"]);
  const end = await harness.ended;
  expect(end).toMatchObject({ code: 7 });
  expect(end.stderrTail).toContain("no such thing");
});

it("a program that is not there is refused in a sentence", async () => {
  await expect(start(["/nowhere/opencode"])).rejects.toThrow("/nowhere/opencode");
});
