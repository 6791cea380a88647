import { codex } from "./agents/codex.ts";
import { runHarnessSuite } from "./harness-suite.ts";
import { onThisMachine } from "./local-place.ts";

runHarnessSuite(codex, onThisMachine);
