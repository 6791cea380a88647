import { fuzzRecordings } from "../../support/fuzzed-recordings.ts";
import { CaseMeta, replayCase } from "./replay-case.ts";

const meta: CaseMeta = { agent: "OpenCode", shows: "a mutated recording", exit: 1 };

fuzzRecordings({ name: "acp", meta: CaseMeta, replay: replayCase }, { meta, runs: 1500 });
