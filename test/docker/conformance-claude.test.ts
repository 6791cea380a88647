import { claude } from "../conformance/agents/claude.ts";
import { inContainers } from "../conformance/container-place.ts";
import { runHarnessSuite } from "../conformance/harness-suite.ts";

runHarnessSuite(claude, inContainers);
