import { opencode } from "./agents/opencode.ts";
import { runHarnessSuite } from "./harness-suite.ts";
import { onThisMachine } from "./local-place.ts";

runHarnessSuite(opencode, onThisMachine);
