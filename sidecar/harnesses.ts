/**
 * Which harness drives which agent. Those that begin with large schemas of another program's messages are evaluated only
 * where they are needed: they would cost every sidecar 2 MiB and a tenth of its start.
 */
import type { Bootstrap, HarnessName } from "../src/protocol/bootstrap.ts";
import { createClaudeHarness } from "./claude/harness.ts";
import { createGenericHarness } from "./generic/harness.ts";
import type { Harness, HarnessHost } from "./harness.ts";

export type CreateHarness = (bootstrap: Bootstrap, host: HarnessHost) => Harness;

export async function loadHarness(name: HarnessName): Promise<CreateHarness> {
  switch (name) {
    case "claude":
      return createClaudeHarness;
    case "generic":
      return createGenericHarness;
    case "codex":
      return (await import("./codex/harness.ts")).createCodexHarness;
    case "opencode":
      return (await import("./opencode/harness.ts")).createOpencodeHarness;
    case "acp":
      return (await import("./acp/harness.ts")).createAcpHarness;
    default:
      return name satisfies never;
  }
}
