import { claude } from "./agents/claude.ts";
import { runHarnessSuite } from "./harness-suite.ts";
import { onThisMachine } from "./local-place.ts";

runHarnessSuite(claude, onThisMachine);
