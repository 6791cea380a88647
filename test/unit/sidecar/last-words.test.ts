/** `exit` comes last and comes once, whoever has something to say behind it, and does not wait for room. */
import { afterEach, beforeEach, expect, it } from "vitest";
import { AgentRun } from "../../../sidecar/agent-run.ts";
import { EventLog } from "../../../sidecar/event-log.ts";
import type { AgentEnd, HarnessHost } from "../../../sidecar/harness.ts";
import { Spool } from "../../../sidecar/spool.ts";
import { readSpool } from "../../../src/process/spool-reader.ts";
import { bootstrapFor } from "../../support/sidecar.ts";
import { type TempDir, tempDir } from "../../support/temp-dir.ts";
import { puppetHarness } from "../link/puppet-sidecar.ts";

let dir: TempDir;
let spool: Spool;
let run: AgentRun;
let host: HarnessHost;
let endAgent: (end: AgentEnd) => void;

beforeEach(async () => {
  dir = await tempDir();
  spool = new Spool({
    sessionDir: dir.path,
    spoolBytesMax: 1_000,
    onStorage: () => undefined,
    onFailed: (error) => {
      throw error;
    },
  });
  const ended = new Promise<AgentEnd>((resolve) => {
    endAgent = resolve;
  });
  const nothing = () => undefined;
  run = new AgentRun({
    bootstrap: bootstrapFor(dir.path, ["puppet"]),
    log: new EventLog({ now: () => 0, spool }),
    now: () => 0,
    onStatus: nothing,
    createHarness: (_, given) => {
      host = given;
      return puppetHarness(ended);
    },
  });
  await run.start();
});

afterEach(async () => {
  spool.close();
  await dir.remove();
});

const says = (text: string) => host.emit([{ event: { type: "stdout", data: { text } } }]);
const typesInSpool = async () => (await spooled()).map(({ type }) => type);
async function spooled(): Promise<{ type: string }[]> {
  const lines: { type: string }[] = [];
  for await (const batch of readSpool(dir.path, 0))
    for (const line of String(batch).trimEnd().split("\n")) lines.push(JSON.parse(line));
  return lines;
}

it("what an agent's harness says behind the exit is in no log", async () => {
  await says("a");
  endAgent({ code: 0, stderrTail: "" });
  await run.ended;
  await says("late");
  await run.report({ type: "error", data: { code: "internal", message: "late", retryable: false } });
  expect(await typesInSpool()).toEqual(["stdout", "exit"]);
});

it("the end of an agent whose spool is full is over when its exit is in a file, with nobody there to make room", async () => {
  void says("x".repeat(5_000));
  expect(spool.isSettled).toBe(false);
  endAgent({ code: 0, stderrTail: "" });
  await run.ended;
  expect(await typesInSpool()).toEqual(["stdout", "exit"]);
});
