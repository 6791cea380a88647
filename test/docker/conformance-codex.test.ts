import { codex } from "../conformance/agents/codex.ts";
import { inContainers } from "../conformance/container-place.ts";
import { runHarnessSuite } from "../conformance/harness-suite.ts";

runHarnessSuite(codex, inContainers);
