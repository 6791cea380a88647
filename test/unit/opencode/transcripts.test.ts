import { testRecordings } from "../../support/recorded-cases.ts";
import { CaseMeta, replayCase } from "./replay-case.ts";

testRecordings({ name: "opencode", meta: CaseMeta, replay: replayCase }, { atLeast: 40 });
