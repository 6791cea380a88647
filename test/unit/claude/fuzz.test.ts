import { fuzzRecordings } from "../../support/fuzzed-recordings.ts";
import { CaseMeta, replayCase } from "./replay-case.ts";

const meta: CaseMeta = { cli: "any", shows: "a mutated recording", exit: 1 };

fuzzRecordings({ name: "claude", meta: CaseMeta, replay: replayCase }, { meta, runs: 2000 });
