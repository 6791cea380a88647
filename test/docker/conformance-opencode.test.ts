import { opencode } from "../conformance/agents/opencode.ts";
import { inContainers } from "../conformance/container-place.ts";
import { runHarnessSuite } from "../conformance/harness-suite.ts";

runHarnessSuite(opencode, inContainers);
