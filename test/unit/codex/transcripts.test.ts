import { testRecordings } from "../../support/recorded-cases.ts";
import { CaseMeta, replayCase } from "./replay-case.ts";

testRecordings({ name: "codex", meta: CaseMeta, replay: replayCase }, { atLeast: 27 });
