/** Which harness drives which agent. */
import type { Bootstrap, HarnessName } from "../src/protocol/bootstrap.ts";
import { createClaudeHarness } from "./claude/harness.ts";
import { createGenericHarness } from "./generic/harness.ts";
import type { Harness, HarnessHost } from "./harness.ts";

export const harnesses: Readonly<Partial<Record<HarnessName, (bootstrap: Bootstrap, host: HarnessHost) => Harness>>> = {
  claude: createClaudeHarness,
  generic: createGenericHarness,
};
