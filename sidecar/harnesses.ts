/** Which harness drives which agent. */
import type { Bootstrap } from "../src/protocol/bootstrap.ts";
import { createAcpHarness } from "./acp/harness.ts";
import { createClaudeHarness } from "./claude/harness.ts";
import { createCodexHarness } from "./codex/harness.ts";
import { createGenericHarness } from "./generic/harness.ts";
import type { Harness, HarnessHost } from "./harness.ts";
import { createOpencodeHarness } from "./opencode/harness.ts";

export function createHarness(bootstrap: Bootstrap, host: HarnessHost): Harness {
  switch (bootstrap.agent.harness) {
    case "claude":
      return createClaudeHarness(bootstrap, host);
    case "generic":
      return createGenericHarness(bootstrap, host);
    case "codex":
      return createCodexHarness(bootstrap, host);
    case "opencode":
      return createOpencodeHarness(bootstrap, host);
    case "acp":
      return createAcpHarness(bootstrap, host);
    default:
      return bootstrap.agent.harness satisfies never;
  }
}
